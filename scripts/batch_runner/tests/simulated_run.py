"""A finished run's record, simulated: a judge of known sharpness, anchors, reasons, failures."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

import numpy as np
import numpy.typing as npt
from batch_runner.artefact import outcome
from batch_runner.artefact.assessment_run import (
    NO_CHECKSUM,
    AssessmentRun,
    CliEnvironment,
    ObservedEvents,
    RunnerStatus,
    Validation,
)
from batch_runner.artefact.inputs import SCHEMA_VERSION, AnchorInput, RunInputs, RunMetadata, StudentInput
from batch_runner.artefact.judged import ComparisonStatus, Costs, RecordedComparison, TokenCounts
from batch_runner.artefact.record import RunMode
from batch_runner.artefact.scoring import scored
from batch_runner.running.alignment import anchor_alignment
from cj_measurement import Comparisons, Design, Run, SimulatedJudge, fit
from event_contracts import (
    GRADE_SCALES,
    AssessmentState,
    ConfidenceLabel,
    CourseCode,
    GradeScale,
    StopReason,
)

REASONS = (
    "Essay {w} answers the task more fully and supports its claims with examples; the other repeats itself.",
    "Both are coherent, but the argument of essay {w} builds from paragraph to paragraph.",
    "Vocabulary and sentence structure are more varied, and errors rarely disturb the reading.",
    "The ending draws a conclusion that follows from what was said. The other stops in the middle of a thought.",
)
SCALE = GRADE_SCALES["eng5_np_legacy_9_step"]
BEGAN = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
BATCH = UUID("0d3c64b2-7d06-4b8d-9d6c-1f6d2a9c5a11")


def simulated_run(
    essays: int = 24,
    *,
    per_essay: float = 12,
    anchors: int = 9,
    seed: int = 7,
    reason: str | None = None,
    name: str | None = None,
    file: str | None = None,
) -> AssessmentRun:
    """A run with ``anchors`` among ``essays``.

    ``reason`` and ``name`` replace every reason and the first student's id, ``file`` the name of every file.
    """
    rng = np.random.default_rng(seed)
    run = Run(Design(essays=essays, rounds_ahead=0), SimulatedJudge(sd=2.2, position_bias=0.3), seed=seed)
    while run.comparisons_per_essay < per_essay:
        run.judge_round()
    grade_of = _anchor_grades(run.truth, anchors)
    ids = [f"anchor-{k}" if k in grade_of else f"elev-{1000 + k}" for k in range(essays)]
    if name is not None:
        ids[next(k for k in range(essays) if k not in grade_of)] = name
    inputs = _inputs(ids, grade_of, file)
    comparisons = tuple(_comparisons(run.comparisons(), ids, rng, reason))
    projections = tuple(_projections(run, ids)) if anchors else ()
    scores = scored(
        inputs, comparisons, ranked=ids, grades={each.essay_id: each.grade for each in projections}
    )
    return AssessmentRun(
        schema_version=SCHEMA_VERSION,
        metadata=_metadata(SCALE.id if anchors else None),
        inputs=inputs,
        llm_comparisons=comparisons,
        bt_summary=scores,
        grade_projections=projections,
        anchor_alignment=anchor_alignment(scores, SCALE.id if anchors else None),
        reliability=_reliability(run.comparisons()),
        position_bias=(),
        stop=outcome.Stop(
            state=AssessmentState.COMPLETED, reason=StopReason.TARGET_REACHED, error_code=None, error=None
        ),
        judging=_judging(len(comparisons)),
        convergence=(),
        flags=(),
        unranked={},
        costs=_costs(comparisons),
        validation=Validation(
            artefact_checksum=NO_CHECKSUM,
            manifest_entries=(),
            cli_environment=CliEnvironment(python="3.11.2", pdm=None, os="Linux", docker_compose=None),
            runner_status=RunnerStatus(
                partial_data=False,
                timeout_seconds=None,
                observed_events=ObservedEvents(
                    llm_comparisons=len(comparisons), assessment_results=1, completions=1
                ),
            ),
        ),
    ).sealed()


def _anchor_grades(truth: npt.NDArray[np.float64], anchors: int) -> dict[int, str]:
    """Grades of the anchors by item; two neighbours are the wrong way round."""
    if not anchors:
        return {}
    order = np.argsort(truth)
    picked = [int(item) for item in order[np.linspace(0, len(truth) - 1, anchors).round().astype(int)]]
    grades = {item: SCALE.grades[round(k * 8 / max(1, anchors - 1))] for k, item in enumerate(picked)}
    if len(picked) > 5:
        grades[picked[3]], grades[picked[4]] = grades[picked[4]], grades[picked[3]]
    return grades


def _inputs(ids: Sequence[str], grade_of: dict[int, str], file: str | None) -> RunInputs:
    texts = {name: f"What {name} wrote." for name in ids}
    sums = {name: sha256(text.encode()).hexdigest() for name, text in texts.items()}
    named = {name: file or f"{name}.docx" for name in ids}
    return RunInputs(
        instructions=None,
        prompt_reference=None,
        rubric=None,
        anchors=tuple(
            AnchorInput(
                anchor_id=ids[k],
                grade=grade,
                file_name=named[ids[k]],
                source_path=named[ids[k]],
                checksum=sums[ids[k]],
                text_checksum=sums[ids[k]],
                text=texts[ids[k]],
            )
            for k, grade in sorted(grade_of.items())
        ),
        students=tuple(
            StudentInput(
                essay_id=name,
                batch_essay_id=name,
                file_name=named[name],
                source_path=named[name],
                checksum=sums[name],
                text_checksum=sums[name],
                text=texts[name],
            )
            for k, name in enumerate(ids)
            if k not in grade_of
        ),
    )


def _comparisons(
    data: Comparisons, ids: Sequence[str], rng: np.random.Generator, reason: str | None
) -> Iterator[RecordedComparison]:
    for k in range(len(data.slot_a)):
        pair = (ids[int(data.slot_a[k])], ids[int(data.slot_b[k])])
        failed, a_won = k % 61 == 60, bool(data.a_won[k])
        winner, loser = pair if a_won else pair[::-1]
        said = reason or REASONS[k % 4].format(w="A" if a_won else "B")
        yield RecordedComparison(
            sequence=k + 1,
            comparison_id=f"comparison-{k + 1}",
            round=0,
            correlation_id=BATCH,
            request_id=f"request-{k + 1}",
            panel_place=0,
            essay_a_id=pair[0],
            essay_b_id=pair[1],
            winner_id=None if failed else winner,
            loser_id=None if failed else loser,
            prompt_hash="a" * 64,
            provider="mock",
            model="simulated",
            tokens_prompt=1800,
            tokens_completion=80,
            cost_usd=Decimal(str(round(0.003 + 0.001 * rng.random(), 6))),
            attempts=1,
            started_at=BEGAN + timedelta(seconds=0.4 * k),
            completed_at=BEGAN + timedelta(seconds=0.4 * (k + 1)),
            status=ComparisonStatus.FAILED if failed else ComparisonStatus.SUCCEEDED,
            error_code="TIMEOUT" if failed else None,
            failure_reason="no answer in time" if failed else None,
            confidence=None if failed else 4,
            margin=None,
            log_odds_a=None,
            justification=None if failed else said,
        )


def _projections(run: Run, ids: Sequence[str]) -> Iterator[outcome.Projection]:
    fitted, grades = fit(run.comparisons()), _grades(SCALE)
    centres = np.linspace(run.truth.min() - 0.5, run.truth.max(), len(grades))
    spread = 2 * (0.25 + fitted.standard_errors[:, None] ** 2)
    chances = np.exp(-((fitted.theta[:, None] - centres) ** 2) / spread)
    chances /= chances.sum(1, keepdims=True)
    for k, name in enumerate(ids):
        yield outcome.Projection(
            essay_id=name,
            grade_scale=SCALE.id,
            grade=grades[int(chances[k].argmax())],
            probabilities=dict(zip(grades, map(float, chances[k]), strict=True)),
            confidence=float(chances[k].max()),
            confidence_label=ConfidenceLabel.MID,
            normalized_score=0.5,
            primary_anchor_id=None,
        )


def _grades(scale: GradeScale) -> tuple[str, ...]:
    return scale.grades if scale.below_lowest is None else (scale.below_lowest, *scale.grades)


def _metadata(scale: str | None) -> RunMetadata:
    return RunMetadata(
        assignment_id="np-eng5-2026",
        course_id=None,
        course_code=CourseCode.ENG5,
        title="ENG5: A place that matters",
        grade_scale=scale,
        runner_version="1.0.0",
        git_sha="6039b03",
        generated_at=BEGAN + timedelta(minutes=9),
        runner_mode=RunMode.EXECUTE,
        batch_uuid=BATCH,
        batch_id="class-9b",
        user_id="batch-runner",
        org_id=None,
        language="en",
        llm_config_overrides={"temperature_override": 0},
    )


def _reliability(data: Comparisons) -> outcome.ReliabilityRecord:
    eb = float(fit(data).eb_reliability)
    return outcome.ReliabilityRecord(
        eb=eb,
        ssr=0.951,
        ssr_prime=0.953,
        split_half=0.87,
        tau=2.2,
        target=0.85,
        gates=(
            outcome.GateRecord(name="eb_reliability", status="passed", value=eb, limit=0.85),
            outcome.GateRecord(name="comparisons_per_item", status="passed", value=9, limit=6),
            outcome.GateRecord(name="grade_change_share", status="not_evaluated", value=None, limit=0.5),
        ),
    )


def _judging(comparisons: int) -> outcome.Judging:
    return outcome.Judging(
        judges={
            "mock/simulated": {
                "share": 1.0,
                "share_judged": 1.0,
                "comparisons": comparisons,
                "answered_as": {"mock/simulated": comparisons},
            }
        },
        method={"calibration_method": "none"},
    )


def _costs(comparisons: Sequence[RecordedComparison]) -> Costs:
    total = sum((each.cost_usd for each in comparisons), Decimal(0))
    return Costs(
        total_usd=total,
        prices_known=True,
        token_counts=(
            TokenCounts(
                provider="mock",
                model="simulated",
                comparisons=len(comparisons),
                prompt_tokens=1800 * len(comparisons),
                completion_tokens=80 * len(comparisons),
                usd=total,
            ),
        ),
        prompt_hashes=("a" * 64,),
    )
