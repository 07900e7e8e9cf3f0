"""From a finished run to its record: what went in, what was judged, what came out, with the batch's own numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from event_contracts import (
    AssessmentResultV1,
    BatchStatusView,
    EssayResultV1,
    JsonObject,
)

from batch_runner.artefact import outcome
from batch_runner.artefact.assessment_run import (
    NO_CHECKSUM,
    AssessmentRun,
    ManifestEntry,
    ObservedEvents,
    RunnerStatus,
    Validation,
)
from batch_runner.artefact.environment import cli_environment, git_sha, runner_version
from batch_runner.artefact.ids import record_ids
from batch_runner.artefact.inputs import (
    SCHEMA_VERSION,
    RunMetadata,
)
from batch_runner.artefact.record import RunMode
from batch_runner.assignment.contents import Assignment
from batch_runner.running.alignment import anchor_alignment, nearest_anchors
from batch_runner.running.execution import FinishedRun
from batch_runner.running.recorded_comparisons import NO_COSTS, recorded_comparisons, recorded_costs
from batch_runner.running.recorded_inputs import recorded_inputs
from batch_runner.running.request import RunOptions

SAME_SCORE: Final = 1e-3
"""How far two fits of the same comparisons may lie apart in logits: the service's begins where its last one ended."""

NOTHING_FOLLOWED: Final = RunnerStatus(
    partial_data=False,
    timeout_seconds=None,
    observed_events=ObservedEvents(llm_comparisons=0, assessment_results=0, completions=0),
)
"""Of a run that was not executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What the runner saw while the batch was judged; of events each is counted once."""

    readings: tuple[outcome.Reading, ...] = ()
    llm_comparisons: int = 0
    assessment_results: int = 0
    completions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """What the record of a plan or a dry run is made of: nothing was judged."""

    mode: RunMode
    assignment: Assignment
    options: RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """What the record of a run is made of that was followed to its end, or until its timeout: ``is_partial``."""

    options: RunOptions
    batch: FinishedRun
    observed: Observed = Observed()
    is_partial: bool = False
    timeout_seconds: float | None = None

    @property
    def mode(self) -> RunMode:
        """What was asked of the runner."""
        return RunMode.EXECUTE

    @property
    def assignment(self) -> Assignment:
        """What was judged, with the anchors that joined it."""
        return self.batch.assignment


def assembled(
    run: PlannedRun | EndedRun, *, manifest: Sequence[ManifestEntry], generated_at: datetime
) -> AssessmentRun:
    """The record, sealed with its checksum."""
    # Imported here: numpy and scipy take a second, and refusals come before there is anything to score.
    from batch_runner.artefact.scoring import scored

    ids = record_ids(essay.essay_id for essay in run.assignment.essays)
    inputs = recorded_inputs(run.assignment, ids)
    batch = run.batch if isinstance(run, EndedRun) else None
    result = None if batch is None or batch.results is None else batch.results.result
    comparisons = () if batch is None else tuple(recorded_comparisons(batch.comparisons, batch.status, ids))
    projections = tuple(() if result is None else _projections(result, ids))
    scores = scored(
        inputs,
        comparisons,
        ranked=[_named(each.essay_id, ids) for each in result.essay_results] if result else (),
        grades={each.essay_id: each.grade for each in projections},
    )
    nearest = nearest_anchors(scores)
    return AssessmentRun(
        schema_version=SCHEMA_VERSION,
        metadata=_metadata(run, generated_at),
        inputs=inputs,
        llm_comparisons=comparisons,
        bt_summary=scores,
        grade_projections=tuple(
            each.model_copy(update={"primary_anchor_id": nearest.get(each.essay_id)}) for each in projections
        ),
        anchor_alignment=anchor_alignment(scores, run.assignment.grade_scale),
        reliability=None if result is None else _reliability(result),
        position_bias=() if result is None else tuple(_positions(result)),
        stop=_stop(None if batch is None else batch.status),
        judging=_judging(result),
        convergence=run.observed.readings if isinstance(run, EndedRun) else (),
        flags=tuple(_remarks(run.assignment, result, scores, ids)),
        unranked={} if result is None else _unranked(result, ids),
        costs=NO_COSTS if batch is None else recorded_costs(batch.comparisons, batch.status),
        validation=Validation(
            artefact_checksum=NO_CHECKSUM,
            manifest_entries=tuple(manifest),
            cli_environment=cli_environment(),
            runner_status=_runner_status(run),
        ),
    ).sealed()


def _unranked(result: AssessmentResultV1, ids: Mapping[str, str]) -> dict[str, str]:
    notes = result.assessment_metadata.notes()
    return {_named(name, ids): why for name, why in notes.unranked_essays.items()}


def _named(name: str, ids: Mapping[str, str]) -> str:
    """The record's id of an essay; anchors keep theirs."""
    return ids.get(name, name)


def _runner_status(run: PlannedRun | EndedRun) -> RunnerStatus:
    if isinstance(run, PlannedRun):
        return NOTHING_FOLLOWED
    return RunnerStatus(
        partial_data=run.is_partial,
        timeout_seconds=run.timeout_seconds,
        observed_events=ObservedEvents(
            llm_comparisons=run.observed.llm_comparisons,
            assessment_results=run.observed.assessment_results,
            completions=run.observed.completions,
        ),
    )


def _metadata(run: PlannedRun | EndedRun, generated_at: datetime) -> RunMetadata:
    assignment, options = run.assignment, run.options
    overrides = options.overrides(assignment).model_dump(mode="json", exclude_none=True)
    return RunMetadata(
        assignment_id=assignment.assignment_id,
        course_id=assignment.course_id,
        course_code=assignment.course_code,
        title=assignment.title,
        grade_scale=assignment.grade_scale if assignment.anchors else None,
        runner_version=runner_version(),
        git_sha=git_sha(),
        generated_at=generated_at,
        runner_mode=run.mode,
        batch_uuid=options.batch_uuid,
        batch_id=options.label,
        user_id=options.user_id,
        org_id=options.org_id,
        language=assignment.language,
        llm_config_overrides=overrides,
    )


def _projections(result: AssessmentResultV1, ids: Mapping[str, str]) -> Iterator[outcome.Projection]:
    projected = result.assessment_metadata.grade_projections
    by_name: dict[str, EssayResultV1] = {each.essay_id: each for each in result.essay_results}
    for name, grade in projected.primary_grades.items():
        yield outcome.Projection(
            essay_id=_named(name, ids),
            grade_scale=result.assessment_metadata.grade_scale,
            grade=grade,
            probabilities=projected.grade_probabilities.get(name, {}),
            confidence=projected.confidence_scores.get(name, 0.0),
            confidence_label=projected.confidence_labels[name],
            normalized_score=by_name[name].normalized_score,
            primary_anchor_id=None,
        )


def _reliability(result: AssessmentResultV1) -> outcome.ReliabilityRecord:
    said = result.assessment_metadata.reliability
    gates = tuple(
        outcome.GateRecord(name=name, status=gate.status, value=gate.value, limit=gate.limit)
        for name, gate in said.gates.items()
    )
    return outcome.ReliabilityRecord(
        eb=said.eb,
        ssr=said.ssr,
        ssr_prime=said.ssr_prime,
        split_half=said.split_half,
        tau=said.tau,
        target=said.target,
        gates=gates,
    )


def _positions(result: AssessmentResultV1) -> Iterator[outcome.JudgePosition]:
    """Of the judges of whom it is said."""
    for judge, said in result.assessment_metadata.position_effects().items():
        if said.b is not None and said.se is not None and said.p_first_if_equal is not None:
            yield outcome.JudgePosition(
                judge=judge,
                b=said.b,
                se=said.se,
                p_first_if_equal=said.p_first_if_equal,
                comparisons=said.comparisons,
            )


def _stop(status: BatchStatusView | None) -> outcome.Stop:
    error = None if status is None else status.error
    return outcome.Stop(
        state=None if status is None else status.state,
        reason=None if status is None else status.stop_reason,
        error_code=None if error is None else error.error_code,
        error=None if error is None else error.message,
    )


def _judging(result: AssessmentResultV1 | None) -> outcome.Judging:
    if result is None:
        return outcome.Judging(judges={}, method={})
    metadata = result.assessment_metadata
    method: JsonObject = {
        "calibration_method": metadata.calibration_method,
        "llm_temperature": metadata.llm_temperature,
        "calibration": metadata.grade_projections.calibration_info,
    }
    return outcome.Judging(judges=metadata.notes().judges, method=method)


def _remarks(
    assignment: Assignment,
    result: AssessmentResultV1 | None,
    scores: Sequence[outcome.Score],
    ids: Mapping[str, str],
) -> Iterator[outcome.Remark]:
    for note in assignment.notes:
        yield outcome.Remark(essay_id=None, kind="document", message=note)
    if result is None:
        return
    notes = result.assessment_metadata.notes()
    for name, why in notes.failed_essays.items():
        yield outcome.Remark(essay_id=_named(name, ids), kind="not_judged", message=why)
    yield from _differences(result, scores, ids)
    for name, seen in notes.look_at.items():
        yield outcome.Remark(essay_id=_named(name, ids), kind="look_at", message=", ".join(seen.signals))


def _differences(
    result: AssessmentResultV1, scores: Sequence[outcome.Score], ids: Mapping[str, str]
) -> Iterator[outcome.Remark]:
    """Published scores that the recorded comparisons do not give."""
    ours = {score.essay_id: score.theta for score in scores}
    for essay in result.essay_results:
        name = _named(essay.essay_id, ids)
        if name not in ours or abs(ours[name] - essay.bt_score) > SAME_SCORE:
            found = ours.get(name)
            yield outcome.Remark(
                essay_id=name,
                kind="score_differs",
                message=f"published {essay.bt_score:.6f}; the recorded comparisons give"
                f" {'no score' if found is None else f'{found:.6f}'}",
            )
