"""Where a batch is: the state of each phase, derived from the newest reports about it and about its essays."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime

from event_contracts import PhaseName, PhaseOutcome, PhaseProgress, ProcessingStage

from batch_conductor.domain.pipeline import PipelineRules


@dataclass(frozen=True, slots=True, kw_only=True)
class EssayCounts:
    """Essays by how they came out of a phase."""

    succeeded: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def total(self) -> int:
        """Number of essays reported."""
        return self.succeeded + self.failed + self.skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRecord:
    """What is on record of a phase: its newest report, if there is one, and the newest report of each essay.

    ``essays`` is how many the phase's report speaks of; ``since`` counts the essays reported after it.
    """

    stage: ProcessingStage | None = None
    with_failures: bool = False
    essays: int | None = None
    reported_at: datetime | None = None
    counts: EssayCounts = field(default_factory=EssayCounts)
    since: EssayCounts = field(default_factory=EssayCounts)
    failed_essay_ids: tuple[str, ...] = ()
    skipped_essay_ids: tuple[str, ...] = ()
    last_essay_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """What is on record of a batch; ``essay_count`` is what the newest call said of its size."""

    essay_count: int | None = None
    phases: Mapping[PhaseName, PhaseRecord] = field(default_factory=dict)


NOTHING_ON_RECORD = PhaseRecord()


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseState:
    """Where a phase is; ``outcome`` is None until it has ended, and ``expected`` while its size is unknown."""

    stage: ProcessingStage
    outcome: PhaseOutcome | None
    expected: int | None


def phase_state(record: PhaseRecord, *, expected: int | None) -> PhaseState:
    """The state of a phase that ``expected`` essays should come out of; None where their number is not known.

    A phase has ended when its newest report says so, or when every expected essay was reported after that report.
    """
    if expected and record.since.total >= expected:
        stage = _stage_by_essays(record.since)
    elif record.stage is not None:
        stage = record.stage
    else:
        stage = ProcessingStage.PROCESSING if record.counts.total else ProcessingStage.PENDING
    known = [number for number in (expected, record.essays) if number is not None]
    return PhaseState(
        stage=stage,
        outcome=_outcome(stage, has_failures=record.with_failures or record.counts.failed > 0),
        expected=max(*known, record.counts.total) if known else None,
    )


def _stage_by_essays(since: EssayCounts) -> ProcessingStage:
    if since.succeeded:
        return ProcessingStage.COMPLETED
    return ProcessingStage.FAILED if since.failed else ProcessingStage.CANCELLED


def _outcome(stage: ProcessingStage, *, has_failures: bool) -> PhaseOutcome | None:
    match stage:
        case ProcessingStage.COMPLETED if has_failures:
            return PhaseOutcome.COMPLETED_WITH_FAILURES
        case ProcessingStage.COMPLETED:
            return PhaseOutcome.COMPLETED_SUCCESSFULLY
        case ProcessingStage.FAILED | ProcessingStage.CANCELLED:
            return PhaseOutcome.FAILED
        case _:
            return None


def expected_essays(batch: BatchRecord, phase: PhaseName, rules: PipelineRules) -> int | None:
    """How many essays a phase should deal with: the batch's, less those that failed before it."""
    if batch.essay_count is None:
        return None
    return max(0, batch.essay_count - len(failed_before(batch, phase, rules)))


def failed_before(batch: BatchRecord, phase: PhaseName, rules: PipelineRules) -> Set[str]:
    """Essays that failed in a phase whose results this phase needs: they are excluded from it."""
    earlier = (batch.phases.get(name, NOTHING_ON_RECORD) for name in rules.upstream(phase))
    return {essay_id for record in earlier for essay_id in record.failed_essay_ids}


def state_of(batch: BatchRecord, phase: PhaseName, rules: PipelineRules) -> PhaseState:
    """Where one phase of a batch is."""
    record = batch.phases.get(phase, NOTHING_ON_RECORD)
    return phase_state(record, expected=expected_essays(batch, phase, rules))


def completed_phases(batch: BatchRecord, rules: PipelineRules) -> Set[PhaseName]:
    """The phases that need not be run again."""
    return {
        phase for phase in batch.phases if state_of(batch, phase, rules).stage == ProcessingStage.COMPLETED
    }


def progress(batch: BatchRecord, phase: PhaseName, rules: PipelineRules) -> PhaseProgress:
    """One phase as callers see it."""
    record = batch.phases.get(phase, NOTHING_ON_RECORD)
    state = state_of(batch, phase, rules)
    times = [moment for moment in (record.reported_at, record.last_essay_at) if moment is not None]
    return PhaseProgress(
        phase_name=phase,
        status=state.stage,
        outcome=state.outcome,
        expected=state.expected,
        succeeded=record.counts.succeeded,
        failed=record.counts.failed,
        skipped=record.counts.skipped,
        failed_essay_ids=record.failed_essay_ids,
        skipped_essay_ids=record.skipped_essay_ids,
        updated_at=max(times, default=None),
    )
