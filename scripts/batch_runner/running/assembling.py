"""From a finished run to its record: what went in, what was judged, what came out, with the batch's own numbers."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from event_contracts import (
    AssessmentResultV1,
    BatchResultsView,
    BatchStatusView,
    ComparisonState,
    ComparisonView,
    EssayResultV1,
    JsonObject,
    WireModel,
    usd,
)
from pydantic import Field

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
    AnchorInput,
    Blob,
    RunInputs,
    RunMetadata,
    StudentInput,
)
from batch_runner.artefact.judged import ComparisonStatus, Costs, RecordedComparison, TokenCounts
from batch_runner.artefact.record import RunMode
from batch_runner.assignment.contents import Assignment, SourceFile
from batch_runner.running.alignment import anchor_alignment, nearest_anchors
from batch_runner.running.execution import FinishedRun
from batch_runner.running.request import RequestEnvelope, RunOptions

_STATUS = {
    ComparisonState.PENDING: ComparisonStatus.SUBMITTED,
    ComparisonState.SUBMITTED: ComparisonStatus.SUBMITTED,
    ComparisonState.JUDGED: ComparisonStatus.SUCCEEDED,
    ComparisonState.FAILED: ComparisonStatus.FAILED,
    ComparisonState.ABANDONED: ComparisonStatus.FAILED,
}


SAME_SCORE: Final = 1e-3
"""How far two fits of the same comparisons may lie apart in logits: the service's begins where its last one ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What the runner saw while the batch was judged; of events each is counted once."""

    readings: tuple[outcome.Reading, ...] = ()
    llm_comparisons: int = 0
    assessment_results: int = 0
    completions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Everything that a record is made of; a run that was not executed has neither status nor results."""

    mode: RunMode
    assignment: Assignment
    options: RunOptions
    request: RequestEnvelope | None = None
    status: BatchStatusView | None = None
    results: BatchResultsView | None = None
    comparisons: tuple[ComparisonView, ...] = ()
    observed: Observed = Observed()
    partial: bool = False
    timeout_seconds: float | None = None

    def finished(self) -> FinishedRun:
        """What a reader of the ranking needs; only of a run that was executed."""
        assert self.request is not None, "a plan has no ranking"
        assert self.status is not None, "a plan has no ranking"
        return FinishedRun(
            assignment=self.assignment,
            request=self.request,
            status=self.status,
            results=self.results,
            comparisons=self.comparisons,
        )


def assembled(facts: RunFacts, *, manifest: Sequence[ManifestEntry], generated_at: datetime) -> AssessmentRun:
    """The record, sealed with its checksum."""
    # Imported here: numpy and scipy take a second, and refusals come before there is anything to score.
    from batch_runner.artefact.scoring import scored

    ids = record_ids(essay.essay_id for essay in facts.assignment.essays)
    inputs = _inputs(facts.assignment, ids)
    result = None if facts.results is None else facts.results.result
    comparisons = tuple(_comparisons(facts, ids))
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
        metadata=_metadata(facts, generated_at),
        inputs=inputs,
        llm_comparisons=comparisons,
        bt_summary=scores,
        grade_projections=tuple(
            each.model_copy(update={"primary_anchor_id": nearest.get(each.essay_id)}) for each in projections
        ),
        anchor_alignment=anchor_alignment(scores, facts.assignment.grade_scale),
        reliability=None if result is None else _reliability(result),
        position_bias=() if result is None else tuple(_positions(result)),
        stop=_stop(facts.status),
        judging=_judging(facts),
        convergence=facts.observed.readings,
        flags=tuple(_remarks(facts, ids, scores)),
        unranked={
            _named(name, ids): why for name, why in (_notes(result).unranked_essays if result else {}).items()
        },
        costs=_costs(facts),
        validation=Validation(
            artefact_checksum=NO_CHECKSUM,
            manifest_entries=tuple(manifest),
            cli_environment=cli_environment(),
            runner_status=RunnerStatus(
                partial_data=facts.partial,
                timeout_seconds=facts.timeout_seconds,
                observed_events=ObservedEvents(
                    llm_comparisons=facts.observed.llm_comparisons,
                    assessment_results=facts.observed.assessment_results,
                    completions=facts.observed.completions,
                ),
            ),
        ),
    ).sealed()


def _named(name: str, ids: Mapping[str, str]) -> str:
    """The record's id of an essay; anchors keep theirs."""
    return ids.get(name, name)


def _metadata(facts: RunFacts, generated_at: datetime) -> RunMetadata:
    assignment, options = facts.assignment, facts.options
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
        runner_mode=facts.mode,
        batch_uuid=options.batch_uuid,
        batch_id=options.label,
        user_id=options.user_id,
        org_id=options.org_id,
        language=assignment.language,
        llm_config_overrides=overrides,
    )


def _inputs(assignment: Assignment, ids: Mapping[str, str]) -> RunInputs:
    return RunInputs(
        instructions=_blob(assignment, "instructions", assignment.instructions),
        prompt_reference=_blob(assignment, "student_prompt", assignment.student_prompt),
        rubric=_blob(assignment, "rubric", assignment.rubric),
        anchors=tuple(
            AnchorInput(
                anchor_id=anchor.label,
                grade=anchor.grade,
                text=anchor.text,
                **_file(anchor.file, anchor.text),
            )
            for anchor in assignment.anchors
        ),
        students=tuple(
            StudentInput(
                essay_id=ids[essay.essay_id],
                batch_essay_id=essay.essay_id,
                text=essay.text,
                notes=essay.notes,
                **_file(essay.file, essay.text),
            )
            for essay in assignment.essays
        ),
    )


def _file(source: SourceFile | None, text: str) -> dict[str, str]:
    """A text that came from no file, as in a test or from the service, is its own source."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = "" if source is None else source.path
    return {
        "file_name": path.rsplit("/", 1)[-1],
        "source_path": path,
        "checksum": digest if source is None else source.sha256,
        "text_checksum": digest,
    }


def _blob(assignment: Assignment, part: str, content: str | None) -> Blob | None:
    if content is None:
        return None
    file = _file(assignment.files.get(part), content)
    return Blob(
        source_path=file["source_path"],
        checksum=file["checksum"],
        text_checksum=file["text_checksum"],
        content=content,
    )


def _comparisons(facts: RunFacts, ids: Mapping[str, str]) -> Iterator[RecordedComparison]:
    assert facts.status is not None or not facts.comparisons, "comparisons come from a batch"
    for sequence, view in enumerate(facts.comparisons, start=1):
        assert facts.status is not None
        pair = (_named(view.essay_a_id, ids), _named(view.essay_b_id, ids))
        status = _STATUS[view.state]
        won = pair if view.winner is not None and view.winner.value.endswith("A") else pair[::-1]
        succeeded = status is ComparisonStatus.SUCCEEDED
        yield RecordedComparison(
            sequence=sequence,
            comparison_id=view.comparison_id,
            round=view.round,
            correlation_id=facts.status.correlation_id,
            request_id=view.request_id,
            panel_place=view.panel_place,
            essay_a_id=pair[0],
            essay_b_id=pair[1],
            winner_id=won[0] if succeeded else None,
            loser_id=won[1] if succeeded else None,
            prompt_hash=view.prompt_sha256,
            provider=view.provider,
            model=view.model,
            tokens_prompt=view.prompt_tokens,
            tokens_completion=view.completion_tokens,
            cost_usd=view.cost_usd,
            attempts=view.attempts,
            started_at=view.requested_at,
            completed_at=view.judged_at or view.ended_at,
            status=status,
            error_code=None if succeeded else view.error_code,
            failure_reason=None if succeeded else view.failure_reason,
            confidence=view.confidence if succeeded else None,
            margin=view.margin if succeeded else None,
            log_odds_a=view.log_odds_a.value if succeeded and view.log_odds_a else None,
            justification=view.justification if succeeded else None,
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


class _Gate(WireModel):
    status: str
    value: float | None = None
    limit: float


class _Reliability(WireModel):
    eb: float | None = None
    ssr: float | None = None
    ssr_prime: float | None = None
    split_half: float | None = None
    tau: float | None = None
    target: float | None = None
    gates: Mapping[str, _Gate] = {}


def _reliability(result: AssessmentResultV1) -> outcome.ReliabilityRecord:
    said = _Reliability.model_validate(result.assessment_metadata.reliability)
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


class _Position(WireModel):
    b: float
    se: float
    p_first_if_equal: float
    comparisons: int | None = None


def _positions(result: AssessmentResultV1) -> Iterator[outcome.JudgePosition]:
    for judge, said in result.assessment_metadata.position_bias.items():
        found = _Position.model_validate(said)
        yield outcome.JudgePosition(judge=judge, **found.model_dump())


def _stop(status: BatchStatusView | None) -> outcome.Stop:
    error = None if status is None else status.error
    return outcome.Stop(
        state=None if status is None else status.state,
        reason=None if status is None else status.stop_reason,
        error_code=None if error is None else error.error_code,
        error=None if error is None else error.message,
    )


class _LookAt(WireModel):
    signals: tuple[str, ...] = ()


class _Notes(WireModel):
    failed_essays: Mapping[str, str] = {}
    unranked_essays: Mapping[str, str] = {}
    look_at: Mapping[str, _LookAt] = {}
    judges: JsonObject = Field(default_factory=dict)


def _notes(result: AssessmentResultV1) -> _Notes:
    """What the service adds to a result's metadata."""
    return _Notes.model_validate(result.assessment_metadata.model_extra or {})


def _judging(facts: RunFacts) -> outcome.Judging:
    if facts.results is None:
        return outcome.Judging(judges={}, method={})
    metadata = facts.results.result.assessment_metadata
    method: JsonObject = {
        "calibration_method": metadata.calibration_method,
        "llm_temperature": metadata.llm_temperature,
        "calibration": metadata.grade_projections.calibration_info,
    }
    return outcome.Judging(judges=_notes(facts.results.result).judges, method=method)


def _remarks(
    facts: RunFacts, ids: Mapping[str, str], scores: Sequence[outcome.Score]
) -> Iterator[outcome.Remark]:
    for note in facts.assignment.notes:
        yield outcome.Remark(essay_id=None, kind="document", message=note)
    if facts.results is None:
        return
    notes = _notes(facts.results.result)
    for name, why in notes.failed_essays.items():
        yield outcome.Remark(essay_id=_named(name, ids), kind="not_judged", message=why)
    yield from _differences(facts.results.result, scores, ids)
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


def _costs(facts: RunFacts) -> Costs:
    by_model: dict[tuple[str, str], list[ComparisonView]] = defaultdict(list)
    for view in facts.comparisons:
        if view.provider is not None and view.model is not None:
            by_model[view.provider, view.model].append(view)
    return Costs(
        total_usd=Decimal(0) if facts.status is None else facts.status.cost.cost_usd,
        prices_known=facts.status is None or facts.status.cost.prices_known,
        token_counts=tuple(
            TokenCounts(
                provider=provider,
                model=model,
                comparisons=len(views),
                prompt_tokens=_sum(each.prompt_tokens for each in views),
                completion_tokens=_sum(each.completion_tokens for each in views),
                usd=usd(sum((each.cost_usd for each in views), Decimal(0))),
            )
            for (provider, model), views in sorted(by_model.items())
        ),
        prompt_hashes=tuple(sorted({view.prompt_sha256 for view in facts.comparisons if view.prompt_sha256})),
    )


def _sum(counts: Iterator[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
