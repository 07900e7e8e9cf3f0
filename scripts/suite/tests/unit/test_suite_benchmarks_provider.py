"""The provider benchmark: what its last line and its section say of the service and of the floor."""

import pytest
from suite.benchmarks.provider.__main__ import line, section
from suite.benchmarks.provider.limits import LimitUtilisation
from suite.benchmarks.provider.overhead import Overhead, Times, Way, against_floor


def overhead(concurrency: int, way: Way, added: float) -> Overhead:
    return Overhead(
        concurrency=concurrency,
        way=way,
        direct=Times(p50=1_000, p99=1_010),
        through=Times(p50=1_000 + added, p99=1_020 + added),
    )


ADDED = [
    overhead(1, "bare steps", 10.0),
    overhead(1, "topic", 25.0),
    overhead(1, "signed callback", 30.0),
    overhead(64, "bare steps", 20.0),
    overhead(64, "topic", 70.0),
    overhead(64, "signed callback", 90.0),
]


@pytest.fixture
def uses() -> list[LimitUtilisation]:
    return [LimitUtilisation(bound_by="requests", replicas=1, requests=0.98, tokens=0.8, refused=0.0)]


def test_the_service_is_held_against_its_durable_steps_alone() -> None:
    assert against_floor(ADDED, concurrency=1) == (25.0, 10.0, 2.5)
    assert against_floor(ADDED, concurrency=64) == (70.0, 20.0, 3.5)


def test_the_last_line_shows_added_time_floor_and_their_ratio(uses: list[LimitUtilisation]) -> None:
    said = line(uses, ADDED)

    assert "added_1_ms=25 floor_1_ms=10 ratio_1=2.5" in said
    assert said.endswith("added_64_ms=70 floor_64_ms=20 ratio_64=3.5")


def test_the_page_has_a_row_of_the_floor_for_each_concurrency(uses: list[LimitUtilisation]) -> None:
    rows = [row for row in section(uses, ADDED).splitlines() if "| bare steps |" in row]

    assert len(rows) == 2
