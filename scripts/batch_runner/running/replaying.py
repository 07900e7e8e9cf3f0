"""A recorded run as the replaying judge reads it, and as the assignment that it was."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from event_contracts import InvalidRequest, text_sha256
from event_contracts.visible_text import visible_text

from batch_runner.artefact.assessment_run import AssessmentRun
from batch_runner.artefact.inputs import AnchorInput, Blob, RunInputs, StudentInput
from batch_runner.artefact.judged import ComparisonStatus
from batch_runner.artefact.run_files import write_whole
from batch_runner.assignment.contents import AnchorText, Assignment, SourceFile, StudentEssay
from batch_runner.running.request import RunOptions

DECISIONS: Final = "decisions.ndjson"
PROVIDER: Final = "replay"


def recorded_assignment(run: AssessmentRun) -> Assignment:
    """The assignment of a run, from its record: none of its files need to exist."""
    metadata, inputs = run.metadata, run.inputs
    parts = {
        "instructions": inputs.instructions,
        "student_prompt": inputs.prompt_reference,
        "rubric": inputs.rubric,
    }
    return Assignment(
        title=metadata.title,
        assignment_id=metadata.assignment_id,
        course_id=metadata.course_id,
        course_code=metadata.course_code,
        language=metadata.language,
        grade_scale=metadata.grade_scale,
        instructions=_content(inputs.instructions),
        student_prompt=_content(inputs.prompt_reference),
        rubric=_content(inputs.rubric),
        essays=tuple(
            StudentEssay(essay_id=each.batch_essay_id, text=each.text, file=_file(each), notes=each.notes)
            for each in inputs.students
        ),
        anchors=tuple(
            AnchorText(label=each.anchor_id, grade=each.grade, text=each.text, file=_file(each))
            for each in inputs.anchors
        ),
        files={name: _file(blob) for name, blob in parts.items() if blob is not None},
    )


def replay_options(run: AssessmentRun) -> RunOptions:
    """The same target, and as many comparisons as were made; the answers are those on record."""
    return RunOptions(
        label=f"replay-{run.metadata.batch_uuid}",
        provider=PROVIDER,
        max_comparisons=len(run.llm_comparisons),
        target_reliability=None if run.reliability is None else run.reliability.target,
        user_id=run.metadata.user_id,
        org_id=run.metadata.org_id,
    )


def write_decisions(run: AssessmentRun, path: Path) -> Path:
    """Keep the run's answers where the replaying judge reads them; raises ``InvalidRequest`` where there are none."""
    lines = [json.dumps(line, ensure_ascii=False) for line in _decisions(run)]
    if not lines:
        raise InvalidRequest(
            f"batch {run.metadata.batch_uuid} has no judgement on record: nothing can be replayed"
        )
    return write_whole(path, "\n".join(lines).encode() + b"\n")


def _decisions(run: AssessmentRun) -> Iterator[dict[str, object]]:
    digests = _digests(run.inputs)
    for each in run.llm_comparisons:
        if each.status is ComparisonStatus.SUCCEEDED:
            yield {
                "a": digests[each.essay_a_id],
                "b": digests[each.essay_b_id],
                "winner": "a" if each.winner_id == each.essay_a_id else "b",
                "in_order": True,
                "margin": each.margin,
                "confidence": each.confidence,
                "justification": each.justification,
            }


def _digests(inputs: RunInputs) -> dict[str, str]:
    """By id, of what the judge is shown of each text."""
    texts = {each.essay_id: each.text for each in inputs.students}
    texts |= {each.anchor_id: each.text for each in inputs.anchors}
    return {name: text_sha256(visible_text(text).text) for name, text in texts.items()}


def _content(blob: Blob | None) -> str | None:
    return None if blob is None else blob.content


def _file(text: Blob | AnchorInput | StudentInput) -> SourceFile:
    return SourceFile(path=text.source_path, sha256=text.checksum)
