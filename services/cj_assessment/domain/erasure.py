"""A batch that is to be forgotten: what is still to be done, here and elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cj_assessment.domain.batch import BatchId


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What is known of the erasure of one batch.

    Its texts, prompts and raw answers are gone from this service's database as soon as it is on record; with
    ``everything``, its scores and ids go as well. ``elsewhere`` are texts in an external content service.
    """

    batch_id: BatchId
    everything: bool
    requested_by: str
    requested_at: datetime
    elsewhere: tuple[str, ...] = ()
    kept_elsewhere: int = 0
    requests_erased: int | None = None
    completed_at: datetime | None = None

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Systems still pending."""
        if self.completed_at is not None:
            return ()
        waiting = {
            "llm_provider": self.requests_erased is None,
            "content_service": bool(self.elsewhere),
            "own_database": self.everything,
        }
        return tuple(name for name, is_waiting in waiting.items() if is_waiting)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedRequests:
    """The LLM Provider's answer: requests erased so far, and those with a call that it still waits for."""

    erased: int
    outstanding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRemoval:
    """What an external content service did: texts that are gone, and those that it keeps, each with its reason."""

    removed: frozenset[str]
    kept: Mapping[str, str]
