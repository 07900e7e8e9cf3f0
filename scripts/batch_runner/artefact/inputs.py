"""What a run was given: who asked for what, and every text with the checksums of its file and of what was read."""

from typing import Annotated, Self, TypeAlias
from uuid import UUID

from event_contracts import (
    GRADE_SCALES,
    CourseCode,
    Identifier,
    JsonObject,
    LongText,
    Name,
    Sha256Hex,
    Text,
    UtcDatetime,
)
from pydantic import AfterValidator, Field, model_validator

from batch_runner.artefact.record import MAX_TEXTS, EssayId, Record, RunMode

SCHEMA_VERSION = "1.0.1"


def _registered(scale: str) -> str:
    if scale not in GRADE_SCALES:
        raise ValueError(f"is not a registered grade scale: {', '.join(GRADE_SCALES)}")
    return scale


GradeScaleId: TypeAlias = Annotated[
    str, AfterValidator(_registered), Field(json_schema_extra={"enum": sorted(GRADE_SCALES)})
]


class RunMetadata(Record):
    """Which run of what this is. ``batch_uuid`` names the run, ``batch_id`` is its label for people.

    ``grade_scale`` is null for a folder without anchors, whose essays are ranked and not graded.
    """

    assignment_id: Annotated[Identifier, Field(max_length=100)] | None
    course_id: Identifier | None
    course_code: CourseCode
    title: Text
    grade_scale: GradeScaleId | None
    runner_version: Name
    git_sha: Annotated[str, Field(pattern=r"^[0-9a-f]{7,40}$")]
    generated_at: UtcDatetime
    runner_mode: RunMode
    batch_uuid: UUID
    batch_id: Identifier
    user_id: Name
    org_id: Name | None
    language: Name
    llm_config_overrides: JsonObject


class Blob(Record):
    """A text of the assignment; ``checksum`` is the SHA-256 of the file, ``text_checksum`` that of ``content``."""

    source_path: Text
    checksum: Sha256Hex
    text_checksum: Sha256Hex
    content: LongText


class AnchorInput(Record):
    """A text whose grade is known, as its file held it."""

    anchor_id: Identifier
    file_name: Text
    grade: Name
    source_path: Text
    checksum: Sha256Hex
    text_checksum: Sha256Hex
    text: LongText


class StudentInput(Record):
    """A student's essay. ``batch_essay_id`` is the id by which the services know it."""

    essay_id: EssayId
    batch_essay_id: Identifier
    file_name: Text
    source_path: Text
    checksum: Sha256Hex
    text_checksum: Sha256Hex
    text: LongText
    notes: tuple[Text, ...] = ()


class RunInputs(Record):
    """Everything that went in."""

    instructions: Blob | None
    prompt_reference: Blob | None
    rubric: Blob | None
    anchors: Annotated[tuple[AnchorInput, ...], Field(max_length=MAX_TEXTS)]
    students: Annotated[tuple[StudentInput, ...], Field(min_length=1, max_length=MAX_TEXTS)]

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [*(anchor.anchor_id for anchor in self.anchors), *(each.essay_id for each in self.students)]
        if len(set(ids)) != len(ids):
            raise ValueError("an essay id stands for two texts")
        return self


SchemaVersion: TypeAlias = Annotated[str, Field(pattern=r"^1\.0\.\d+$")]
