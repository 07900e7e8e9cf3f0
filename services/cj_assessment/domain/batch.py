"""An assessment batch: its states, its limits, its essays, and the request that starts it."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NewType
from uuid import UUID

from event_contracts import (
    AssessmentState,
    ELS_CJAssessmentRequestV1,
    ErrorCode,
    ErrorDetail,
    EventEnvelope,
    InvalidRequest,
    JsonObject,
    LLMConfigOverrides,
)
from event_contracts.judging import text_sha256

BatchId = NewType("BatchId", str)
"""The platform's id of a batch (``entity_id`` of the request)."""
JobId = NewType("JobId", UUID)
"""This service's id of a batch (``cj_assessment_job_id``)."""

RequestEnvelope = EventEnvelope[ELS_CJAssessmentRequestV1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When judging ends at the latest, and what it tries to reach before."""

    max_comparisons: int | None
    max_cost_usd: Decimal | None
    target_reliability: float
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """The model that will judge, and what one comparison is expected to cost (US dollars)."""

    provider: str
    model: str
    estimated_cost_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch as stored; the texts of its essays are read separately."""

    job_id: JobId
    batch_id: BatchId
    correlation_id: UUID
    request: ELS_CJAssessmentRequestV1
    request_sha256: str
    limits: Limits
    callback_url: str | None
    state: AssessmentState
    judge: Judge | None
    grade_scale: str | None = None
    received_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancelled_at: datetime | None = None
    last_round: int = 0
    check_at: datetime | None = None
    stop_reason: str | None = None
    error: ErrorDetail | None = None

    @property
    def overrides(self) -> LLMConfigOverrides:
        """What the requester wants of the judge."""
        return self.request.llm_config_overrides or LLMConfigOverrides()

    @property
    def judge_overrides(self) -> LLMConfigOverrides:
        """What the LLM Provider is told: the judge by name, and no prompt, which the blocks hold already."""
        named = {} if self.judge is None else _named(self.judge)
        prompt = {"system_prompt_override": None, "judge_rubric_override": None}
        return self.overrides.model_copy(update={**named, **prompt})


def _named(judge: Judge) -> dict[str, str]:
    return {"provider_override": judge.provider, "model_override": judge.model}


@dataclass(frozen=True, slots=True, kw_only=True)
class Essay:
    """An essay of a batch; ``item`` is its place, ``problem`` says why it cannot be judged."""

    item: int
    essay_id: str
    text_storage_id: str
    anchor_grade: str | None = None
    text: str | None = None
    problem: str | None = None

    @property
    def is_anchor(self) -> bool:
        """True for an essay whose grade is known."""
        return self.anchor_grade is not None

    @property
    def is_usable(self) -> bool:
        """True when there is a text to judge."""
        return self.problem is None and self.text is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """An essay with a known grade, registered for an assignment."""

    number: int | None = None
    label: str
    grade: str
    grade_scale: str
    text_storage_id: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What assessors of an assignment or a course are told."""

    instructions_text: str
    grade_scale: str
    student_prompt_storage_id: str | None = None
    judge_rubric_storage_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds where a request says nothing."""

    target_reliability: float
    deadline: timedelta

    @classmethod
    def of_a_refused_batch(cls) -> "Defaults":
        """What is written down for a batch that is never judged."""
        return cls(target_reliability=0.0, deadline=timedelta(0))


def new_batch(envelope: RequestEnvelope, *, job_id: JobId, now: datetime, defaults: Defaults) -> Batch:
    """The batch that a request asks for, in state accepted and without a judge; raises ``InvalidRequest``."""
    hints = envelope.hints()
    return Batch(
        job_id=job_id,
        batch_id=BatchId(envelope.data.entity_id),
        correlation_id=envelope.correlation_id,
        request=envelope.data,
        request_sha256=request_sha256(envelope),
        limits=Limits(
            max_comparisons=hints.max_comparisons,
            max_cost_usd=hints.max_cost_usd,
            target_reliability=hints.target_reliability or defaults.target_reliability,
            deadline=now + defaults.deadline,
        ),
        callback_url=hints.callback_url,
        state=AssessmentState.ACCEPTED,
        judge=None,
        received_at=now,
    )


def check_essays(request: ELS_CJAssessmentRequestV1) -> None:
    """Raise ``InvalidRequest`` for a batch without essays or with an essay id twice."""
    if not request.essays_for_cj:
        raise InvalidRequest("essays_for_cj is empty: send at least one essay, with anchors, or two")
    counted = Counter(essay.essay_id for essay in request.essays_for_cj)
    repeated = sorted(essay_id for essay_id, times in counted.items() if times > 1)
    if repeated:
        raise InvalidRequest(
            f"essay ids must be unique within a batch; sent more than once: {', '.join(repeated[:10])}",
            details={"repeated_essay_ids": list(repeated)},
        )


def request_sha256(envelope: RequestEnvelope) -> str:
    """Identity of what a request asks for: the same order sent twice has the same one, whenever it was sent."""
    asked = envelope.data.model_dump(mode="json", exclude={"timestamp", "system_metadata"})
    hints = envelope.hints().model_dump(mode="json")
    canonical = json.dumps([asked, hints], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRules:
    """Which texts can be judged."""

    max_characters: int = 60_000


def with_text(essay: Essay, body: bytes | None, *, rules: TextRules) -> Essay:
    """The essay with its text, or with the problem that keeps it from being judged."""
    text, problem = _read(body, rules)
    return Essay(
        item=essay.item,
        essay_id=essay.essay_id,
        text_storage_id=essay.text_storage_id,
        anchor_grade=essay.anchor_grade,
        text=text,
        problem=problem,
    )


def _read(body: bytes | None, rules: TextRules) -> tuple[str | None, str | None]:
    if body is None:
        return None, f"{ErrorCode.RESOURCE_NOT_FOUND}: no content is stored under its text_storage_id"
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None, f"{ErrorCode.TEXT_EXTRACTION_FAILED}: the content is not UTF-8 text"
    if "\x00" in text:
        return None, f"{ErrorCode.TEXT_EXTRACTION_FAILED}: the content holds NUL characters; it is not text"
    if not text.strip():
        return None, f"{ErrorCode.EMPTY_CONTENT}: the essay has no text"
    if len(text) > rules.max_characters:
        return None, f"{ErrorCode.CONTENT_TOO_LONG}: over {rules.max_characters} characters"
    return text, None


def too_few_essays(essays: tuple[Essay, ...]) -> InvalidRequest | None:
    """The error of a batch that cannot be compared at all, or None."""
    usable = [essay for essay in essays if essay.is_usable]
    problems: JsonObject = {essay.essay_id: essay.problem for essay in essays if essay.problem}
    if len(usable) >= 2 and any(not essay.is_anchor for essay in usable):
        return None
    return InvalidRequest(
        f"{len(usable)} essay(s) with text: a comparison needs two, at least one of them a student's",
        details={"problems": problems},
    )


def content_seed(essays: tuple[Essay, ...]) -> int:
    """A seed from the texts alone: the same essays in the same order are paired in the same way."""
    texts = "".join(text_sha256(essay.text) for essay in essays if essay.text is not None)
    return int.from_bytes(hashlib.sha256(texts.encode()).digest()[:8], "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is known once the texts are there and the batch can be judged."""

    essays: tuple[Essay, ...]
    grade_scale: str | None
    instructions: str
    rubric: str | None
    student_prompt: str | None
