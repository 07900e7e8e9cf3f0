"""The service's database in memory: transactions one after the other, each done or undone as a whole."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
from cj_assessment.domain.assignments import Anchor, Instruction, StoredAnchor
from cj_assessment.domain.batch import Essay, JobId
from cj_assessment.domain.deciding import Measured
from cj_assessment.ports import EssayCounts, Score
from cj_assessment.ports.administration import AdminChange
from cj_assessment.tests.memory.attempts import MemoryAttempts, MemoryComparisons
from cj_assessment.tests.memory.batches import MemoryBatches
from cj_assessment.tests.memory.rows import Clock, State
from event_contracts import EventEnvelope, InvalidCallback


class MemoryEssays:
    """Implements ``ports.Essays``."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def put(self, job_id: JobId, essays: Sequence[Essay]) -> None:
        self._state.essays[job_id].update({essay.item: essay for essay in essays})

    async def requested(self, job_id: JobId) -> tuple[Essay, ...]:
        return self._state.batches[job_id].requested

    async def requested_ids(self, job_id: JobId) -> Sequence[str]:
        batch = self._state.batches.get(job_id)
        return [] if batch is None else [essay.essay_id for essay in batch.requested]

    async def delete_from_index(self, job_id: JobId, item: int) -> None:
        kept = {place: essay for place, essay in self._state.essays[job_id].items() if place < item}
        self._state.essays[job_id] = kept

    async def of_batch(self, job_id: JobId) -> tuple[Essay, ...]:
        essays = self._state.essays[job_id]
        return tuple(replace(essays[item], text=None) for item in sorted(essays))

    async def counts(self, job_id: JobId) -> EssayCounts:
        essays = self._state.essays[job_id].values()
        return EssayCounts(
            students=sum(not essay.is_anchor for essay in essays),
            anchors=sum(essay.is_anchor for essay in essays),
            usable=sum(essay.is_usable for essay in essays),
        )

    async def texts(self, wanted: Collection[tuple[JobId, int]]) -> Mapping[tuple[JobId, int], str]:
        found = {key: self._state.essays[key[0]].get(key[1]) for key in wanted}
        return {key: essay.text for key, essay in found.items() if essay and essay.text is not None}


class MemoryScores:
    """Implements ``ports.Scores``."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, job_id: JobId, measured: Measured, *, decision: str) -> None:
        scores = self._state.scores.setdefault(job_id, [])
        score = Score(
            number=len(scores) + 1,
            comparisons=measured.comparisons,
            theta=measured.theta,
            standard_error=measured.standard_error,
            tau=measured.tau,
            eb_reliability=measured.eb_reliability,
            ssr=measured.ssr,
            ssr_prime=measured.ssr_prime,
            gates=measured.gates,
            forecast=measured.forecast,
        )
        scores.append(score)
        self._state.decisions.append((decision, score))

    async def latest(self, job_id: JobId) -> Score | None:
        return next(reversed(self._state.scores.get(job_id, [])), None)


class MemoryContents:
    """Implements ``ports.Contents``."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def put(self, *, storage_id: str, body: bytes) -> None:
        self._state.contents.setdefault(storage_id, body)

    async def read(self, storage_ids: Collection[str]) -> Mapping[str, bytes]:
        return {name: body for name, body in self._state.contents.items() if name in storage_ids}

    async def sizes(self, storage_ids: Collection[str]) -> Mapping[str, int]:
        return {name: len(body) for name, body in (await self.read(storage_ids)).items()}


class MemoryAnchors:
    """Implements ``ports.Anchors``."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def put(self, anchor: Anchor, *, assignment_id: str) -> int:
        known = self._state.anchors.setdefault(assignment_id, [])
        for place, other in enumerate(known):
            if (other.label, other.grade_scale) == (anchor.label, anchor.grade_scale):
                known[place] = _stored(anchor, number=other.number, created_at=other.created_at)
                return other.number
        self._state.ids += 1
        known.append(_stored(anchor, number=self._state.ids, created_at=datetime.now(UTC)))
        return self._state.ids

    async def for_assignment(self, assignment_id: str) -> Sequence[StoredAnchor]:
        return sorted(self._state.anchors.get(assignment_id, []), key=lambda anchor: anchor.label)

    async def audit(self, change: AdminChange) -> None:
        self._state.audit.append(change)

    async def remove(self, number: int) -> None:
        for assignment_id, known in self._state.anchors.items():
            self._state.anchors[assignment_id] = [one for one in known if one.number != number]

    async def instruction(self, *, assignment_id: str | None, course_id: str | None) -> Instruction | None:
        own = [one for _, one in self._state.instructions if one.assignment_id == assignment_id is not None]
        course = [one for owner, one in self._state.instructions if owner == course_id]
        return next(iter([*own, *course]), None)


def _stored(anchor: Anchor, *, number: int, created_at: datetime) -> StoredAnchor:
    return StoredAnchor(
        label=anchor.label,
        grade=anchor.grade,
        grade_scale=anchor.grade_scale,
        text_storage_id=anchor.text_storage_id,
        number=number,
        created_at=created_at,
    )


class MemoryEvents:
    """Implements ``ports.Events``."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def claim(self, *, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
        new = {event_id for event_id in event_ids if (consumer, event_id) not in self._state.claimed}
        self._state.claimed |= {(consumer, event_id) for event_id in new}
        return new

    def announce(self, events: Sequence[EventEnvelope[Any]], *, callback_url: str | None = None) -> None:
        if callback_url is not None:
            try:
                httpx2.URL(callback_url).host  # noqa: B018 - reading the host is what fails
            except httpx2.InvalidURL as error:
                raise InvalidCallback(f"callback_url cannot be called: {error}") from error
        self._state.sent += [(event, callback_url) for event in events]


class MemoryTransaction:
    """Implements ``ports.Transaction``."""

    def __init__(self, state: State, clock: Clock) -> None:
        self.batches = MemoryBatches(state, clock.now)
        self.essays = MemoryEssays(state)
        self.comparisons = MemoryComparisons(state, clock.now)
        self.attempts = MemoryAttempts(state, clock.now)
        self.scores = MemoryScores(state)
        self.contents = MemoryContents(state)
        self.anchors = MemoryAnchors(state)
        self.events = MemoryEvents(state)


class MemoryStore:
    """Implements ``ports.Store``."""

    def __init__(self) -> None:
        self.state = State()
        self.clock = Clock()
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        async with self._one_at_a_time:
            before = deepcopy(self.state)
            try:
                yield MemoryTransaction(self.state, self.clock)
            except BaseException:
                self.state = before
                raise

    def events(self, kind: type) -> list[Any]:
        """The announced events of one kind, in their order."""
        return [event.data for event, _ in self.state.sent if isinstance(event.data, kind)]
