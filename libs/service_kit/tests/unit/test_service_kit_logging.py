"""What the logs promise: one JSON object per line, ids at the top, and neither secrets nor texts of persons."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr, TypeAdapter
from service_kit.telemetry.logging import configure_logging

ESSAY = "My summer was about a dog called Molly."


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What a service would write to its standard error."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    yield io.StringIO()
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**config)
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_entry_is_one_line_of_json_with_its_ids_at_the_top(stream: io.StringIO) -> None:
    configure_logging(service="cj_assessment", stream=stream)
    structlog.contextvars.bind_contextvars(correlation_id="c-1")

    structlog.get_logger().info("comparison.judged", batch_id="b-1", cost_usd=0.01, note="two\nlines")

    [entry] = lines(stream)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "comparison.judged",
        "level": "info",
        "service": "cj_assessment",
        "correlation_id": "c-1",
        "batch_id": "b-1",
        "cost_usd": 0.01,
        "note": "two\nlines",
    }


def test_other_libraries_write_in_the_same_format(stream: io.StringIO) -> None:
    configure_logging(service="cj_assessment", stream=stream)
    structlog.contextvars.bind_contextvars(correlation_id="c-1")

    logging.getLogger("some.library").warning("%s is slow", "the disk")

    [entry] = lines(stream)
    assert (entry["event"], entry["level"]) == ("the disk is slow", "warning")
    assert (entry["service"], entry["correlation_id"]) == ("cj_assessment", "c-1")


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_a_traceback_shows_no_values_of_variables(stream: io.StringIO, fmt: Any) -> None:
    configure_logging(service="cj_assessment", stream=stream, fmt=fmt)

    def judge(essay: str) -> None:
        raise ValueError(len(essay))

    try:
        judge(ESSAY)
    except ValueError:
        structlog.get_logger().exception("judge.failed")

    written = stream.getvalue()
    assert "ValueError: 39" in written
    assert "raise ValueError(len(essay))" in written
    assert "Molly" not in written


def test_secrets_and_bytes_are_not_written(stream: io.StringIO) -> None:
    configure_logging(service="cj_assessment", stream=stream)

    structlog.get_logger().info("settings.read", secret=SecretStr("hunter2"), body=ESSAY.encode())

    [entry] = lines(stream)
    assert entry["secret"] == "**********"
    assert entry["body"] == f"{len(ESSAY)} bytes"


def test_a_value_that_json_cannot_represent_is_logged_as_text(stream: io.StringIO) -> None:
    configure_logging(service="cj_assessment", stream=stream)

    structlog.get_logger().info("odd.values", error=KeyError("x"), keys={1: {2}}, kind=int)

    [entry] = lines(stream)
    assert (entry["error"], entry["keys"], entry["kind"]) == ("'x'", {"1": "{2}"}, "<class 'int'>")


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    configure_logging(service="cj_assessment", level="warning", stream=stream)

    structlog.get_logger().info("not.written")
    logging.getLogger("some.library").info("not written")
    structlog.get_logger().warning("written")

    assert [entry["event"] for entry in lines(stream)] == ["written"]


def test_people_get_lines_that_they_can_read(stream: io.StringIO) -> None:
    configure_logging(service="cj_assessment", fmt="console", stream=stream)

    structlog.get_logger().info("comparison.judged", batch_id="b-1")

    assert "comparison.judged" in stream.getvalue()
    assert "b-1" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_a_validation_error_in_a_traceback_shows_no_value(stream: io.StringIO) -> None:
    configure_logging(service="cj_assessment", stream=stream)
    adapter = TypeAdapter(tuple[int, ...])

    def fail() -> None:
        try:
            adapter.validate_python([ESSAY])
        except ValueError as error:
            raise RuntimeError("the row cannot be read") from error

    try:
        fail()
    except RuntimeError:
        structlog.get_logger().exception("batch.failed")

    [entry] = lines(stream)
    assert ESSAY not in stream.getvalue()
    assert "ValidationError: 0: " in entry["exception"]
    assert entry["exception"].endswith("RuntimeError: the row cannot be read")
    assert "in fail" in entry["exception"]
