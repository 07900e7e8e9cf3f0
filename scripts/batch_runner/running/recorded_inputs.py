"""What went into a run, for its record: every text with the file that it was read from."""

import hashlib
from collections.abc import Mapping

from batch_runner.artefact.inputs import AnchorInput, Blob, RunInputs, StudentInput
from batch_runner.assignment.contents import Assignment, SourceFile


def recorded_inputs(assignment: Assignment, ids: Mapping[str, str]) -> RunInputs:
    """The inputs of a record; ``ids`` are the record's by the batch's."""
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
