"""Reading a prompt back takes time in proportion to its length."""

import pytest
from event_contracts import escape_formula, fence_pair, read_fenced_pair, unescape_formula
from event_contracts.tests.nasty_texts import NASTY, grows_linearly


@pytest.mark.parametrize("unit", NASTY.values(), ids=NASTY.keys())
def test_reading_a_fenced_pair_takes_time_in_proportion_to_the_prompt(unit: str) -> None:
    def read(text: str) -> object:
        pair = fence_pair(text, "the other")
        return read_fenced_pair(f"{pair.essay_a}\n\n{pair.essay_b}")

    assert grows_linearly(read, unit, length=100_000)


@pytest.mark.parametrize(
    "unit", ["<essay_a_0123456789abcdef>\n", "\n</essay_a_0123456789abcdef>", "<essay_a_"]
)
def test_looking_for_fences_in_what_has_none_takes_time_in_proportion_to_the_text(unit: str) -> None:
    def read(text: str) -> None:
        with pytest.raises(ValueError):
            read_fenced_pair(text)

    assert grows_linearly(read, unit, length=100_000)


def test_a_cell_of_ten_thousand_apostrophes_is_guarded() -> None:
    cell = "'" * 10_000 + "=1"

    assert unescape_formula(str(escape_formula(cell))) == cell
