"""What clients of the suite's services read out of a refusal."""

import pytest
from event_contracts import error_detail, retry_after_seconds


@pytest.mark.parametrize(("header", "seconds"), [("0", 0), ("17", 17), ("0017", 17), ("86400", 86_400)])
def test_whole_seconds_up_to_a_day_are_read(header: str, seconds: float) -> None:
    assert retry_after_seconds(header) == seconds


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nan",
        "inf",
        "-1",
        "1.5",
        "1e3",
        "٣",
        "²",
        " 5",
        "86401",
        "9" * 5_000,
        "Fri, 27 Nov 2026 17:56:00 GMT",
    ],
)
def test_anything_else_asks_for_no_pause(header: str | None) -> None:
    assert retry_after_seconds(header) is None


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b'{"error": "busy"}', b"<html>Bad gateway</html>", b"\xff"]
)
def test_a_body_that_states_no_error_of_the_suite_has_no_detail(body: bytes) -> None:
    assert error_detail(body) is None
