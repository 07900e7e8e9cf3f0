"""An assessment batch: its states, its limits, its essays, and the request that starts it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NewType
from uuid import UUID

from event_contracts import (
    AssessmentState,
    CourseCode,
    ELS_CJAssessmentRequestV1,
    ErrorCode,
    EventEnvelope,
    InvalidRequest,
    JsonObject,
    Latency,
    LLMConfigOverrides,
    NotFound,
    StopReason,
    TraceContext,
)

from cj_assessment.domain.assignments import Anchor
from cj_assessment.domain.contents import Fetched
from cj_assessment.domain.prompt import JudgeContext
from cj_assessment.domain.signals import Signal
from cj_assessment.domain.texts import clean_text

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
    """A model that judges, and the share of a batch's comparisons that it gets.

    ``expected_cost_usd`` is what one comparison will probably cost, ``cap_usd`` what it may cost at most: that
    much is reserved for each. Both are None while they are not known or where the model has no known price.
    """

    provider: str
    model: str
    share: float = 1.0
    expected_cost_usd: Decimal | None = None
    cap_usd: Decimal | None = None

    @property
    def name(self) -> str:
        """What the judge is called in results and statistics."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """A batch without its request and its judges: all that is needed to show it, to cancel it and to end it.

    It is read from plain columns, so that a batch whose request cannot be parsed can still be ended.
    """

    job_id: JobId
    batch_id: BatchId
    correlation_id: UUID
    request_sha256: str
    assignment_id: str | None
    course_code: CourseCode
    user_id: str
    org_id: str | None
    limits: Limits
    callback_url: str | None
    state: AssessmentState
    grade_scale: str | None = None
    received_at: datetime
    seed: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancelled_at: datetime | None = None
    last_round: int = 0
    next_check_at: datetime | None = None
    stop_reason: StopReason | None = None
    allowed_regions: tuple[str, ...] | None = None
    is_relaxed: bool = False
    trace: TraceContext | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(BatchRecord):
    """A batch with its judges and its request; its essays are read separately."""

    request: ELS_CJAssessmentRequestV1
    judges: tuple[Judge, ...]

    @property
    def overrides(self) -> LLMConfigOverrides:
        """What the requester wants of the judge."""
        return self.request.llm_config_overrides or LLMConfigOverrides()

    @property
    def leading_judge(self) -> Judge:
        """The judge with the largest share, the first named of several."""
        return max(self.judges, key=lambda judge: judge.share)

    def overrides_for(self, judge: Judge) -> LLMConfigOverrides:
        """What the LLM Provider is sent: the judge by name, and no prompt, which the blocks hold already."""
        return self.overrides.model_copy(
            update={
                "provider_override": judge.provider,
                "model_override": judge.model,
                "system_prompt_override": None,
                "judge_rubric_override": None,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Essay:
    """An essay of a batch; ``item`` is its place, ``problem`` says why it cannot be judged."""

    item: int
    essay_id: str
    text_storage_id: str
    anchor_grade: str | None = None
    text: str | None = None
    problem: str | None = None
    signals: tuple[Signal, ...] = ()
    hidden_characters: int = 0

    @property
    def is_anchor(self) -> bool:
        """True for an essay whose grade is known."""
        return self.anchor_grade is not None

    @property
    def is_usable(self) -> bool:
        """True unless a problem keeps it from being judged; ``text`` is loaded only where it is needed."""
        return self.problem is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds where a request says nothing."""

    target_reliability: float
    deadline: timedelta
    relaxed_deadline: timedelta = timedelta(days=4)

    @classmethod
    def for_refused_batch(cls) -> "Defaults":
        """What is recorded for a batch that is never judged."""
        return cls(target_reliability=0.0, deadline=timedelta(0), relaxed_deadline=timedelta(0))


def unknown_batch(batch_id: BatchId) -> NotFound:
    """The error of a batch that is not there."""
    return NotFound(f"there is no batch {batch_id!r}: check the id; a batch that was forgotten is gone")


def new_batch(envelope: RequestEnvelope, *, job_id: JobId, now: datetime, defaults: Defaults) -> Batch:
    """The batch that a request asks for, in state accepted and without judges; raises ``InvalidRequest``."""
    hints = envelope.hints()
    is_relaxed = hints.latency is Latency.RELAXED
    return Batch(
        job_id=job_id,
        batch_id=BatchId(envelope.data.entity_id),
        correlation_id=envelope.correlation_id,
        assignment_id=envelope.data.assignment_id,
        course_code=envelope.data.course_code,
        user_id=envelope.data.user_id,
        org_id=envelope.data.org_id,
        request=envelope.data,
        request_sha256=request_sha256(envelope),
        limits=Limits(
            max_comparisons=hints.max_comparisons,
            max_cost_usd=hints.max_cost_usd,
            target_reliability=hints.target_reliability or defaults.target_reliability,
            deadline=now + (defaults.relaxed_deadline if is_relaxed else defaults.deadline),
        ),
        callback_url=hints.callback_url,
        state=AssessmentState.ACCEPTED,
        judges=(),
        received_at=now,
        is_relaxed=is_relaxed,
        trace=envelope.trace,
    )


def requested_essays(request: ELS_CJAssessmentRequestV1) -> tuple[Essay, ...]:
    """The students' essays of a request, in its order."""
    return tuple(
        Essay(item=item, essay_id=essay.essay_id, text_storage_id=essay.text_storage_id)
        for item, essay in enumerate(request.essays_for_cj)
    )


def request_sha256(envelope: RequestEnvelope) -> str:
    """Identity of what a request asks for: the same request sent twice has the same one, whenever it was sent."""
    asked = envelope.data.model_dump(mode="json", exclude={"timestamp", "system_metadata"})
    hints = envelope.hints().model_dump(mode="json")
    if hints["allowed_regions"] is None:
        del hints["allowed_regions"]  # requests from before this hint existed keep their identity
    if hints["latency"] is None:
        del hints["latency"]
    canonical = json.dumps([asked, hints], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRules:
    """Which texts can be judged."""

    max_characters: int

    @property
    def max_bytes(self) -> int:
        """No text of ``max_characters`` characters has more bytes: larger contents are not fetched."""
        return 4 * self.max_characters


def with_text(essay: Essay, fetched: Fetched, *, rules: TextRules) -> Essay:
    """The essay with its text, or with the problem that keeps it from being judged."""
    if essay.text_storage_id in fetched.failures:
        reason = fetched.failures[essay.text_storage_id]
        return replace(essay, problem=f"{ErrorCode.CONTENT_SERVICE_ERROR}: {reason}")
    if essay.text_storage_id in fetched.too_long:
        return replace(essay, problem=_too_long(rules))
    body = fetched.bodies.get(essay.text_storage_id)
    if body is None:
        return replace(essay, problem=f"{ErrorCode.RESOURCE_NOT_FOUND}: nothing is stored under its id")
    try:
        raw = body.decode("utf-8")
    except UnicodeDecodeError:
        return replace(essay, problem=f"{ErrorCode.TEXT_EXTRACTION_FAILED}: the content is not UTF-8 text")
    cleaned = clean_text(raw)
    problem = _problem(raw, cleaned.text, rules)
    return replace(
        essay,
        text=None if problem else cleaned.text,
        problem=problem,
        signals=(*essay.signals, *cleaned.signals),
        hidden_characters=cleaned.hidden,
    )


def _problem(raw: str, text: str, rules: TextRules) -> str | None:
    if "\x00" in raw:
        return f"{ErrorCode.TEXT_EXTRACTION_FAILED}: the content holds NUL characters; it is not text"
    if not text.strip():
        return f"{ErrorCode.EMPTY_CONTENT}: the essay has no text"
    if len(text) > rules.max_characters:
        return _too_long(rules)
    return None


def _too_long(rules: TextRules) -> str:
    return f"{ErrorCode.CONTENT_TOO_LONG}: over {rules.max_characters} characters"


def with_anchors(essays: tuple[Essay, ...], anchors: Sequence[Anchor]) -> tuple[Essay, ...]:
    """The essays and the anchors of their assignment, no text twice.

    An essay that has an anchor's text stands for that anchor: it keeps its own id, has the anchor's grade, and a
    person should look at it. Raises ``InvalidRequest`` when an essay has an anchor's name, but another text.
    """
    by_text = {anchor.text_storage_id: anchor for anchor in anchors}
    students = tuple(_as_anchor(essay, by_text.get(essay.text_storage_id)) for essay in essays)
    present = {essay.text_storage_id for essay in essays}
    added = [anchor for anchor in by_text.values() if anchor.text_storage_id not in present]
    taken = {essay.essay_id for essay in essays} & {anchor.label for anchor in added}
    if taken:
        raise InvalidRequest(
            f"essays have the same id as anchors of the assignment: {', '.join(sorted(taken))}; rename them"
        )
    return (
        *students,
        *(
            Essay(
                item=len(essays) + place,
                essay_id=anchor.label,
                text_storage_id=anchor.text_storage_id,
                anchor_grade=anchor.grade,
            )
            for place, anchor in enumerate(added)
        ),
    )


def _as_anchor(essay: Essay, anchor: Anchor | None) -> Essay:
    if anchor is None:
        return essay
    return replace(essay, anchor_grade=anchor.grade, signals=(Signal.ANCHOR_TEXT,))


def nothing_to_judge(essays: Sequence[Essay]) -> InvalidRequest | None:
    """The error of a batch in which no student's essay can be judged, or None."""
    if any(essay.is_usable and not essay.is_anchor for essay in essays):
        return None
    problems: JsonObject = {essay.essay_id: essay.problem for essay in essays if essay.problem}
    return InvalidRequest("none of the essays can be judged", details={"problems": problems})


def content_seed(digests: Sequence[str]) -> int:
    """A seed from the digests of a batch's texts (``text_sha256``), in the order of its essays: 63 bits.

    The same essays in the same order are paired in the same way.
    """
    return int.from_bytes(hashlib.sha256("".join(digests).encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is known once the texts are there and the batch can be judged; its essays are stored separately."""

    judges: tuple[Judge, ...]
    grade_scale: str | None
    context: JudgeContext
    seed: int
