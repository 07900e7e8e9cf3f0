"""Values that the runner's tests share."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
from batch_runner.artefact.spreadsheets import write_table
from batch_runner.assignment.contents import Assignment, StudentEssay
from batch_runner.running.assembling import EndedRun
from batch_runner.running.execution import FinishedRun
from batch_runner.running.request import RequestTexts, RunOptions, assessment_request
from event_contracts import (
    AssessmentMetadata,
    AssessmentResultV1,
    AssessmentState,
    BatchCost,
    BatchProgress,
    BatchResultsView,
    BatchStatusView,
    BtStats,
    ComparisonState,
    ComparisonView,
    ConfidenceLabel,
    CourseCode,
    ErrorDetail,
    EssayResultV1,
    GradeProjectionSummary,
    ReliabilityView,
    StopReason,
    Winner,
)

BATCH = "batch-1"
JOB = "job-1"
STARTED = datetime(2026, 1, 1, 12, tzinfo=UTC)
CORRELATION = UUID(int=1)


def folder_of(path: Path, files: Mapping[str, str]) -> Path:
    """A folder with these text files."""
    for name, text in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return path


def assignment(*names: str) -> Assignment:
    """An assignment of essays with these ids."""
    essays = tuple(StudentEssay(essay_id=name, text=f"The text of {name}.") for name in names)
    return Assignment(title="A task", course_code=CourseCode.ENG5, language="en", essays=essays)


def status(
    state: AssessmentState = AssessmentState.JUDGING,
    *,
    judged: int = 10,
    failed: int = 0,
    budget: int | None = 40,
    seconds: float = 5,
    error: str | None = None,
) -> BatchStatusView:
    """A batch that has been judged for this many seconds."""
    return BatchStatusView(
        batch_id=BATCH,
        cj_assessment_job_id=JOB,
        correlation_id=CORRELATION,
        course_code=CourseCode.ENG5,
        state=state,
        stop_reason=StopReason.TARGET_REACHED if state is AssessmentState.COMPLETED else None,
        progress=BatchProgress(
            essays=3,
            comparisons_waiting=2,
            comparisons_judged=judged,
            comparisons_failed=failed,
            max_comparisons=budget,
        ),
        cost=BatchCost(cost_usd=Decimal("0.0123")),
        reliability=ReliabilityView(eb=0.812, target=0.9),
        created_at=STARTED,
        updated_at=STARTED + timedelta(seconds=seconds),
        error=None if error is None else _error(error),
    )


def _error(message: str) -> ErrorDetail:
    return ErrorDetail(
        error_code="PROCESSING_ERROR",
        message=message,
        correlation_id=CORRELATION,
        timestamp=STARTED,
        service="cj_assessment_service",
        operation="advance_batch",
    )


def comparison(
    number: int, first: str, second: str, winner: Winner | None, *, justification: str = "clearer"
) -> ComparisonView:
    """A comparison, judged unless there is no winner."""
    return ComparisonView(
        comparison_id=str(number),
        essay_a_id=first,
        essay_b_id=second,
        round=1,
        state=ComparisonState.FAILED if winner is None else ComparisonState.JUDGED,
        winner=winner,
        justification=None if winner is None else justification,
        confidence=None if winner is None else 4,
        provider=None if winner is None else "mock",
        model=None if winner is None else "simulated-judge",
        prompt_sha256=None if winner is None else "0" * 64,
        judged_at=None if winner is None else STARTED,
        attempts=1,
        cost_usd=Decimal("0.001"),
        error_code="LLM_PROVIDER_TIMEOUT" if winner is None else None,
    )


def result(names: Sequence[str], *, metadata: Mapping[str, object] | None = None) -> AssessmentResultV1:
    """A result in which the essays are ranked in this order; the first is an anchor of grade A."""
    return AssessmentResultV1(
        event_name="assessment.result.published",
        entity_id=BATCH,
        entity_type="batch",
        timestamp=STARTED,
        batch_id=BATCH,
        cj_assessment_job_id=JOB,
        model_used="simulated-judge",
        model_provider="mock",
        essay_results=tuple(_ranked(name, rank) for rank, name in enumerate(names, start=1)),
        assessment_metadata=AssessmentMetadata.model_validate({**_metadata(names), **(metadata or {})}),
        assessed_at=STARTED,
    )


def _ranked(name: str, rank: int) -> EssayResultV1:
    anchor = rank == 1
    return EssayResultV1(
        essay_id=name,
        normalized_score=1 / rank,
        letter_grade="A" if anchor else "U",
        confidence_score=1.0 if anchor else 0.0,
        confidence_label=ConfidenceLabel.HIGH if anchor else ConfidenceLabel.LOW,
        bt_score=1.5 - rank,
        rank=rank,
        is_anchor=anchor,
    )


def _metadata(names: Sequence[str]) -> dict[str, object]:
    return {
        "grade_scale": "eng5_np_legacy_9_step",
        "anchor_essays_used": 1,
        "anchor_grade_distribution": {"A": 1},
        "calibration_method": None,
        "comparison_count": 10,
        "processing_duration_seconds": 5.0,
        "llm_temperature": None,
        "course_code": "ENG5",
        "reliability": {"eb": 0.812, "ssr": 0.83},
        "position_bias": {},
        "stop_reason": "target_reached",
        "cost_usd": Decimal("0.0123"),
        "grade_projections": projections(names),
    }


def projections(names: Sequence[str], **information: object) -> GradeProjectionSummary:
    """No grades, for the reasons given."""
    return GradeProjectionSummary.model_validate(
        {
            "projections_available": False,
            "calibration_info": information,
            "bt_stats": {name: BtStats(bt_mean=0.0, bt_se=0.4) for name in names},
        }
    )


def finished(
    *names: str,
    comparisons: Sequence[ComparisonView] = (),
    metadata: Mapping[str, object] | None = None,
    state: AssessmentState = AssessmentState.COMPLETED,
    error: str | None = None,
) -> FinishedRun:
    """A run of these essays that has ended."""
    task = assignment(*names)
    texts = RequestTexts(essay_storage_ids=tuple(names), prompt_storage_id=None)
    ranked = state in (AssessmentState.COMPLETED, AssessmentState.COMPLETED_WITH_FAILURES)
    return FinishedRun(
        assignment=task,
        request=assessment_request(task, texts, RunOptions(batch_uuid=UUID(int=2), label=BATCH)),
        status=status(state, error=error),
        results=BatchResultsView(
            batch_id=BATCH,
            cj_assessment_job_id=JOB,
            state=state,
            result=result(names, metadata=metadata),
        )
        if ranked
        else None,
        comparisons=tuple(comparisons),
    )


def ended(batch: FinishedRun) -> EndedRun:
    """What the record of this run is made of."""
    return EndedRun(options=RunOptions(batch_uuid=UUID(int=2), label=BATCH), batch=batch)


def decisions_csv(
    path: Path,
    *,
    items: int = 12,
    comparisons: int = 400,
    sd: float = 1.5,
    preference: Mapping[str, float] | None = None,
    seed: int = 1,
) -> Path:
    """Decisions of judges who see true scores i1 > i2 > …, spread by ``sd``, and prefer the first by these logits."""
    judges = preference or {"j1": 0.0}
    rng = np.random.default_rng(seed)
    theta = np.linspace(1, -1, items) * sd * np.sqrt(3)
    rows = []
    for judge in rng.choice(list(judges), comparisons):
        first, second = rng.choice(items, 2, replace=False)
        wins = rng.random() < 1 / (1 + np.exp(theta[second] - theta[first] - judges[judge]))
        rows.append((judge, f"i{first + 1}", f"i{second + 1}", f"i{(first if wins else second) + 1}"))
    return write_table(path, ("judge", "item1", "item2", "winner"), rows)
