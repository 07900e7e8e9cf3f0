"""What comparisons are made of, kept in memory within a bound: each text once, however many pairs it is in."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from sys import getsizeof
from typing import Final
from uuid import UUID

from event_contracts import LLMConfigOverrides, TraceContext

from cj_assessment.domain.batch import Batch, JobId
from cj_assessment.domain.comparison import UnsentAttempt
from cj_assessment.domain.prompt import JudgeContext, comparison_blocks
from cj_assessment.ports import JudgeRequest, Store

MAX_CACHED_TEXT_BYTES: Final = 64 * 1024 * 1024
"""Memory that texts of essays may take; what is used least recently is dropped first and read again."""
MAX_CACHED_BATCHES: Final = 256

TextKey = tuple[JobId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchContext:
    """What the requests of one batch have in common; it does not change once judging has started."""

    context: JudgeContext
    overrides: tuple[LLMConfigOverrides, ...]
    caps: tuple[Decimal | None, ...]
    correlation_id: UUID
    user_id: str
    org_id: str | None
    allowed_regions: tuple[str, ...] | None
    is_relaxed: bool = False
    trace: TraceContext | None = None

    @classmethod
    def of(cls, batch: Batch, context: JudgeContext) -> "BatchContext":
        """The material of a batch; overrides and caps are by judge of its panel."""
        is_capped = batch.limits.max_cost_usd is not None
        return cls(
            context=context,
            overrides=tuple(batch.overrides_for(judge) for judge in batch.judges),
            caps=tuple(judge.cap_usd if is_capped else None for judge in batch.judges),
            correlation_id=batch.correlation_id,
            user_id=batch.user_id,
            org_id=batch.org_id,
            allowed_regions=batch.allowed_regions,
            is_relaxed=batch.is_relaxed,
            trace=batch.trace,
        )

    def judge_request(self, attempt: UnsentAttempt, *, text_a: str, text_b: str) -> JudgeRequest:
        """The request of an attempt."""
        return JudgeRequest(
            attempt_id=attempt.attempt_id,
            batch_id=attempt.batch_id,
            essay_a_id=attempt.essay_a_id,
            essay_b_id=attempt.essay_b_id,
            blocks=comparison_blocks(self.context, text_a=text_a, text_b=text_b),
            overrides=self.overrides[attempt.assigned],
            correlation_id=self.correlation_id,
            user_id=self.user_id,
            org_id=self.org_id,
            repetition=attempt.repetition,
            max_cost_usd=self.caps[attempt.assigned],
            allowed_regions=self.allowed_regions,
            is_relaxed=self.is_relaxed,
            trace=self.trace,
        )


@dataclass(kw_only=True)
class TextCache:
    """Texts of essays, up to ``max_bytes`` of memory."""

    max_bytes: int = MAX_CACHED_TEXT_BYTES
    _texts: OrderedDict[TextKey, str] = field(default_factory=OrderedDict, init=False)
    _bytes: int = field(default=0, init=False)

    async def load(self, store: Store, wanted: Collection[TextKey]) -> Mapping[TextKey, str]:
        """The texts of these essays; those that are not in memory are read with one statement."""
        found = {key: self._texts[key] for key in wanted if key in self._texts}
        for key in found:
            self._texts.move_to_end(key)
        missing = [key for key in wanted if key not in found]
        if missing:
            async with store.transaction() as transaction:
                read = await transaction.essays.texts(missing)
            for key, text in read.items():
                self._keep(key, text)
            found.update(read)
        return found

    def clear(self) -> None:
        """Keep nothing of what is in memory."""
        self._texts.clear()
        self._bytes = 0

    def _keep(self, key: TextKey, text: str) -> None:
        if key not in self._texts:
            self._texts[key] = text
            self._bytes += getsizeof(text)
        while self._bytes > self.max_bytes:
            _, dropped = self._texts.popitem(last=False)
            self._bytes -= getsizeof(dropped)


@dataclass(kw_only=True)
class JudgingMaterials:
    """The material of batches that are being judged."""

    texts: TextCache = field(default_factory=TextCache)
    _batches: OrderedDict[JobId, BatchContext] = field(default_factory=OrderedDict, init=False)

    def clear(self) -> None:
        """Keep nothing of what is in memory; it is read again where it is needed."""
        self.texts.clear()
        self._batches.clear()

    async def load(self, store: Store, job_ids: Collection[JobId]) -> Mapping[JobId, BatchContext]:
        """The material of these batches; raises ``ValueError`` where one cannot be read."""
        missing = [job_id for job_id in job_ids if job_id not in self._batches]
        if missing:
            async with store.transaction() as transaction:
                for job_id in missing:
                    batch = await transaction.batches.read(job_id)
                    context = await transaction.batches.context(job_id)
                    self._batches[job_id] = BatchContext.of(batch, context)
        for job_id in job_ids:
            self._batches.move_to_end(job_id)
        found = {job_id: self._batches[job_id] for job_id in job_ids}
        while len(self._batches) > MAX_CACHED_BATCHES:
            self._batches.popitem(last=False)
        return found
