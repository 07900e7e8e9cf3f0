"""What a command logs: JSON objects, one per line, to standard error, with the run that they are about."""

import logging
import sys
from enum import StrEnum
from typing import Final

import structlog


class LogEvent(StrEnum):
    """Every event that is logged; the runner's runbook says what each means."""

    TEXTS_UPLOADED = "texts.uploaded"
    KAFKA_OFFSETS = "kafka.offsets"
    KAFKA_STOPPED = "kafka.stopped"
    BATCH_STARTED = "batch.started"
    BATCH_PROGRESS = "batch.progress"
    BATCH_ENDED = "batch.ended"
    RUN_TIMED_OUT = "run.timed_out"
    RUN_INTERRUPTED = "run.interrupted"
    REQUEST_RETRIED = "request.retried"
    RECORD_WRITTEN = "runner_validation_state"
    """By the name that dashboards and the platform's queries read."""


LEVELS: Final = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
DEFAULT_LEVEL: Final = 1


def configure(*, verbose: int, quiet: int) -> None:
    """Log what is worth it: warnings, with ``-v`` every event, with ``-q`` only errors."""
    level = LEVELS[max(0, min(DEFAULT_LEVEL + verbose - quiet, len(LEVELS) - 1))]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _service,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()


def _service(
    _logger: structlog.typing.WrappedLogger, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return {**event, "service": "batch_runner"}


def about_run(**facts: object) -> None:
    """Add to every further line: ``batch_uuid``, ``batch_id`` (the label), ``runner_mode``, ``correlation_id``."""
    structlog.contextvars.bind_contextvars(**{name: str(fact) for name, fact in facts.items()})


def event(name: LogEvent, **facts: object) -> None:
    """Log an event."""
    structlog.get_logger().info(name.value, **facts)


def warning(name: LogEvent, **facts: object) -> None:
    """Log an event that somebody has to know of."""
    structlog.get_logger().warning(name.value, **facts)
