"""Waits grow until they are long enough, and replicas do not wait equally long."""

import pytest
from service_kit.work.back_off import BackOff, jittered

BACK_OFF = BackOff(first_seconds=0.2, longest_seconds=10)


def test_waits_double_up_to_the_longest() -> None:
    waits = [BACK_OFF.seconds(failures=failures) for failures in range(1, 9)]

    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])


def test_a_failure_that_lasts_for_days_is_still_tried_again() -> None:
    assert BACK_OFF.seconds(failures=1_000_000) == 10


def test_a_wait_is_spread_by_a_quarter() -> None:
    waits = [jittered(8) for _ in range(1000)]

    assert min(waits) >= 6
    assert max(waits) <= 10
    assert max(waits) - min(waits) > 3
