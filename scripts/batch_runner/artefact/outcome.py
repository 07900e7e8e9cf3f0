"""What came out: abilities, grades, how the anchors lie, how reliable it is, and why judging stopped."""

from typing import Annotated, Final

from event_contracts import (
    AssessmentState,
    ConfidenceLabel,
    Count,
    Flag,
    Identifier,
    Int,
    JsonObject,
    Money,
    Name,
    Number,
    Share,
    StopReason,
    Text,
    UtcDatetime,
)
from pydantic import Field

from batch_runner.artefact.inputs import GradeScaleId
from batch_runner.artefact.record import AnyEssayId, Record


class Score(Record):
    """One essay's ability in logits with its standard error; ``infit`` and ``outfit`` are mean squares."""

    essay_id: AnyEssayId
    theta: Number
    standard_error: Annotated[Number, Field(ge=0)]
    rank: Annotated[Int, Field(ge=1)]
    comparison_count: Count
    wins: Count
    is_anchor: Flag
    anchor_grade: Name | None
    grade_projection: Name | None
    infit: Number | None
    outfit: Number | None


class Projection(Record):
    """An essay's grade with the probability of each; ``primary_anchor_id`` is the anchor that lies nearest."""

    essay_id: AnyEssayId
    grade_scale: GradeScaleId
    grade: Name
    probabilities: dict[Name, Share]
    confidence: Share
    confidence_label: ConfidenceLabel
    normalized_score: Share
    primary_anchor_id: Identifier | None


class Inversion(Record):
    """Two anchors whose order by score is not that of their grades; ``higher`` has the higher grade."""

    higher_anchor_id: Identifier
    lower_anchor_id: Identifier
    gap: Number


class Displacement(Record):
    """How far, in logits, an anchor lies from where the others of the scale put its grade; null for a lone anchor."""

    anchor_id: Identifier
    grade: Name
    theta: Number
    displacement: Number | None


class AnchorAlignment(Record):
    """How the anchors' scores follow their grades: Kendall's tau-b, inversions, anchors that won nothing."""

    tau: Annotated[Number, Field(ge=-1, le=1)] | None
    inversions: tuple[Inversion, ...]
    zero_win: tuple[Identifier, ...]
    displacement: tuple[Displacement, ...]


class GateRecord(Record):
    """A condition of the target."""

    name: Name
    status: Name
    value: Number | None
    limit: Number


class ReliabilityRecord(Record):
    """Reliability at the end; null what was not measurable. Decisions are taken on ``eb``."""

    eb: Number | None
    ssr: Number | None
    ssr_prime: Number | None
    split_half: Number | None
    tau: Number | None
    target: Share | None
    gates: tuple[GateRecord, ...]


UNMEASURED: Final = ReliabilityRecord(
    eb=None, ssr=None, ssr_prime=None, split_half=None, tau=None, target=None, gates=()
)
"""Of a run without a ranking."""


class JudgePosition(Record):
    """A judge's preference for the first slot in logits, with its standard error."""

    judge: Name
    b: Number
    se: Annotated[Number, Field(ge=0)]
    p_first_if_equal: Share
    comparisons: Count | None


class Stop(Record):
    """How the batch ended and why; ``error`` says what failed."""

    state: AssessmentState | None
    reason: StopReason | None
    error_code: Name | None
    error: Text | None


class Reading(Record):
    """The batch at one moment, as the service reported it: convergence and cost over time."""

    at: UtcDatetime
    comparisons_judged: Count
    comparisons_failed: Count
    eb: Number | None
    cost_usd: Money


class Remark(Record):
    """Something that a person should look at: an essay and why, or the run as a whole."""

    essay_id: AnyEssayId | None
    kind: Name
    message: Text


class Judging(Record):
    """Who judged and how: the judges with their shares, and what else the service says of its method."""

    judges: JsonObject
    method: JsonObject
