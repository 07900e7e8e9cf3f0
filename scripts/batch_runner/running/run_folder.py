"""A run's folder: what was asked, and an append-only log of what happened, so that a run can be resumed."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, Literal, Self, TypeVar

from event_contracts import InvalidRequest, JsonObject, NotFound, WireModel, validation_reasons
from pydantic import ValidationError, model_validator

from batch_runner import run_log
from batch_runner.artefact.forgetting import SETTINGS
from batch_runner.artefact.run_files import write_whole
from batch_runner.run_log import LogEvent
from batch_runner.running.request import RequestEnvelope
from batch_runner.running.run_events import RunEvent

EVENTS: Final = "events.ndjson"
REQUEST: Final = "requests/assessment_request.json"
TransportName = Literal["http", "kafka", "embedded"]
EventT = TypeVar("EventT", bound=RunEvent)


class KafkaSettings(WireModel):
    """Where a request is published, and under which name."""

    bootstrap: str
    client_id: str
    topic_prefix: str


class RunSettings(WireModel):
    """What a run needs to be resumed; ``kafka`` is set if that is the transport."""

    folder: str
    label: str
    transport: TransportName
    url: str
    course: str
    kafka: KafkaSettings | None = None
    given: Mapping[str, str] = {}
    options: JsonObject

    @model_validator(mode="after")
    def _has_a_broker_for_kafka_alone(self) -> Self:
        if (self.transport == "kafka") != (self.kafka is not None):
            raise ValueError("kafka is set if it is the transport, and only then")
        return self


class _Line(WireModel):
    event: str


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder; only the process that runs the batch writes to it."""

    path: Path

    def log(self, event: LogEvent, **facts: object) -> None:
        """Append one line to the run's log, and log it; it is on disk when this returns."""
        run_log.event(event, **facts)
        line = json.dumps(
            {"at": datetime.now(UTC).isoformat(), "event": event, **facts}, ensure_ascii=False, default=str
        )
        with (self.path / EVENTS).open("a+b") as file:
            _remove_incomplete_line(file)
            file.write(f"{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())

    def events(self, kind: type[EventT]) -> Iterator[EventT]:
        """The lines of this event, oldest first; a last line that was cut off by a crash does not count.

        Raises ``InvalidRequest`` with the number of a line that is damaged.
        """
        try:
            *lines, _incomplete = (self.path / EVENTS).read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for number, line in enumerate(lines, start=1):
            try:
                if _Line.model_validate_json(line).event == kind.EVENT:
                    yield kind.model_validate_json(line)
            except ValidationError as error:
                raise InvalidRequest(
                    f"{self.path / EVENTS}, line {number}: is damaged ({validation_reasons(error)[0]}): restore the"
                    " file from a copy, or start a new run"
                ) from error

    def begin(self, settings: RunSettings) -> None:
        """Keep what was asked, before anything is sent."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.path / SETTINGS, settings.model_dump_json(indent=2).encode() + b"\n")

    def settings(self) -> RunSettings:
        """What was asked; raises ``NotFound`` and ``InvalidRequest``."""
        try:
            return RunSettings.model_validate_json((self.path / SETTINGS).read_bytes())
        except FileNotFoundError:
            raise NotFound(
                f"{self.path} is not a run's folder: it has no {SETTINGS}; name a folder that cj-run made"
            ) from None
        except ValidationError as error:
            raise InvalidRequest(f"{self.path / SETTINGS}: {InvalidRequest.of(error).message}") from error

    def keep_request(self, request: RequestEnvelope) -> None:
        """Keep the request before it is sent: sending it again sends the same bytes."""
        write_whole(self.path / REQUEST, request.to_json())

    def request(self) -> RequestEnvelope | None:
        """The request, if it was made."""
        try:
            return RequestEnvelope.model_validate_json((self.path / REQUEST).read_bytes())
        except FileNotFoundError:
            return None


def _remove_incomplete_line(file: BinaryIO) -> None:
    """What a crash has cut off would otherwise damage the line that is written after it."""
    if file.seek(0, os.SEEK_END) == 0:
        return
    file.seek(-1, os.SEEK_END)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
