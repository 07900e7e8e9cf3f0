"""The order of tests in a run of several processes: none is lost, and the long ones are shared."""

from hypothesis import given
from hypothesis import strategies as st
from suite.tests.distributing import distribute

Test = tuple[str, int, bool]


def named(files: list[tuple[int, bool]]) -> list[Test]:
    """Tests of several files, a file's next to each other, the long ones first as a run has them."""
    tests = [
        (f"file-{file}", number, is_long)
        for file, (count, is_long) in enumerate(files)
        for number in range(count)
    ]
    return sorted(tests, key=lambda test: not test[2])


def in_order(tests: list[Test], processes: int) -> list[Test]:
    return distribute(tests, processes=processes, is_long=lambda test: test[2], file_of=lambda test: test[0])


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=12), st.integers(1, 5))
def test_every_test_runs_once(files: list[tuple[int, bool]], processes: int) -> None:
    tests = named(files)

    assert sorted(in_order(tests, processes)) == sorted(tests)


def test_each_process_begins_with_long_tests_and_keeps_their_files_together() -> None:
    tests = named([(2, True), (2, True), (2, True), (2, True), (40, False)])

    order = in_order(tests, 2)

    assert [test[0] for test in order[:4]] == ["file-0", "file-0", "file-2", "file-2"]
    assert [test[0] for test in order[24:28]] == ["file-1", "file-1", "file-3", "file-3"]
