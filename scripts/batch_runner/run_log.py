"""What a command logs: JSON objects, one per line, to standard error, with the run that they are about."""

import logging
import sys
from collections.abc import Mapping
from typing import Final

import structlog

EVENTS: Final[Mapping[str, str]] = {
    "texts.uploaded": "all texts are stored; `stored` has the storage id of each by its SHA-256",
    "kafka.offsets": "where the run begins to listen, by topic and partition",
    "kafka.stopped": "messages can no longer be read or kept, for `reason`; `--resume` reads them again",
    "batch.started": "the request was sent, with its `event_id`",
    "batch.progress": "state, counts, cost and reliability changed, or what the batch waits for (`problem`)",
    "batch.ended": "the batch has ended, with `state` and `stop_reason`",
    "run.timed_out": "`--completion-timeout` has passed; the batch continues",
    "run.interrupted": "Ctrl-C or SIGTERM; the run can be resumed",
    "request.retried": "a service was unavailable or busy; the request is repeated, `reason` says why",
    "runner_validation_state": "the run's files are written: `manifest_entries`, `artefact_checksum`, `runner_status`",
}
"""Every event that is logged, and what it means; the runner's runbook lists them."""

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


def event(name: str, **facts: object) -> None:
    """Log an event of ``EVENTS``."""
    assert name in EVENTS, f"{name} is not documented"
    structlog.get_logger().info(name, **facts)


def warning(name: str, **facts: object) -> None:
    """Log an event of ``EVENTS`` that somebody has to know of."""
    assert name in EVENTS, f"{name} is not documented"
    structlog.get_logger().warning(name, **facts)
