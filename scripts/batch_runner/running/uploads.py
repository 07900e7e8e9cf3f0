"""Texts that a service is known to have: they are uploaded once, whichever run they belong to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from command_line.service_client import ServiceRefused
from event_contracts import WireModel
from pydantic import ValidationError

from batch_runner.artefact.run_files import write_whole
from batch_runner.running.run_events import TextsUploaded
from batch_runner.running.run_folder import RunFolder
from batch_runner.wire.client import AssessmentClient

FILE: Final = ".uploads.json"
MAX_REMEMBERED: Final = 100_000


class _Stored(WireModel):
    by_url: dict[str, dict[str, str]] = {}  # noqa: RUF012 - pydantic copies it for every value


@dataclass(frozen=True, slots=True)
class RememberedUploads:
    """The storage ids of texts by SHA-256, kept next to the runs of ``out`` for each service's address."""

    out: Path
    url: str

    async def still_stored(self, client: AssessmentClient) -> dict[str, str]:
        """What the service has; nothing where it has lost one, as after it was set up again."""
        stored = self._read().by_url.get(self.url, {})
        if not stored:
            return {}
        try:
            await client.stored_text(next(iter(stored.values())))
        except ServiceRefused:
            return {}
        return stored

    def remember(self, folder: RunFolder) -> None:
        """Keep what this run has uploaded; runs at the same time may forget each other's, which costs an upload."""
        known = self._read()
        ours = dict(known.by_url.get(self.url, {}))
        for uploaded in folder.events(TextsUploaded):
            ours |= uploaded.stored
        newest = dict(list(ours.items())[-MAX_REMEMBERED:])
        kept = _Stored(by_url={**known.by_url, self.url: newest})
        write_whole(self.out / FILE, kept.model_dump_json().encode())

    def _read(self) -> _Stored:
        try:
            return _Stored.model_validate_json((self.out / FILE).read_bytes())
        except (FileNotFoundError, ValidationError):
            return _Stored()
