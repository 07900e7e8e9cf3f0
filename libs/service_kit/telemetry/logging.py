"""Structured logs: dotted event names with key-values, one JSON object per line (or colours for people)."""

import logging
import sys
from typing import Literal, TextIO

import orjson
import structlog

from service_kit.telemetry.error_text import ExcInfo, traceback_text


def configure_logging(
    *,
    service: str,
    level: str = "info",
    fmt: Literal["json", "console"] = "json",
    stream: TextIO = sys.stderr,
) -> None:
    """Route structlog and the standard library's loggers to ``stream`` in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_exception_text),
        _service_name(service),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=_renderer(fmt), foreign_pre_chain=shared)
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    _quieten_chatty_libraries()


def _exception_text(exc_info: ExcInfo) -> str:
    error = exc_info[1]
    return "" if error is None else traceback_text(error)


def _service_name(service: str) -> structlog.typing.Processor:
    def add(
        _logger: structlog.typing.WrappedLogger, _name: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event.setdefault("service", service)
        return event

    return add


def _renderer(fmt: Literal["json", "console"]) -> structlog.typing.Processor:
    if fmt == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer(serializer=_dumps)


def _dumps(event: structlog.typing.EventDict, **_options: object) -> str:
    return orjson.dumps(event, default=_text, option=orjson.OPT_NON_STR_KEYS).decode()


def _text(value: object) -> str:
    """What is not JSON, as text; bytes only by their number: they may be anybody's essay."""
    return f"{len(value)} bytes" if isinstance(value, bytes | bytearray | memoryview) else str(value)


def _quieten_chatty_libraries() -> None:
    for name in ("aiokafka", "alembic", "hypercorn", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It says ten times a second that a topic is missing; the bus says it once.
    logging.getLogger("aiokafka.cluster").setLevel(logging.ERROR)
