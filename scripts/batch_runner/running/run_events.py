"""The lines of a run's ``events.ndjson`` that a resumed run reads again, each as a type of its own."""

from collections.abc import Mapping
from typing import ClassVar

from event_contracts import LargeCount, WireModel

from batch_runner.artefact.outcome import Reading
from batch_runner.run_log import LogEvent


class RunEvent(WireModel):
    """A line of the log by the name of its event; what else it says is not read."""

    EVENT: ClassVar[LogEvent]


class TextsUploaded(RunEvent):
    """All texts are stored: the storage id of each by its SHA-256."""

    EVENT = LogEvent.TEXTS_UPLOADED

    stored: Mapping[str, str]


class KafkaOffsets(RunEvent):
    """Where the run begins to listen, by ``topic:partition``."""

    EVENT = LogEvent.KAFKA_OFFSETS

    offsets: Mapping[str, LargeCount]


class BatchStarted(RunEvent):
    """The request was sent."""

    EVENT = LogEvent.BATCH_STARTED


class BatchProgress(RunEvent):
    """Counts, cost and reliability at one time."""

    EVENT = LogEvent.BATCH_PROGRESS

    reading: Reading
