"""Reads the free ``batch_metadata`` of a request: the few keys that gates look at, strictly."""

from typing import Annotated, Self

from event_contracts import (
    MAX_ESSAYS_PER_BATCH,
    ContentType,
    Count,
    Flag,
    Identifier,
    InvalidRequest,
    JsonObject,
    Money,
    StorageReferenceMetadata,
    WireModel,
)
from pydantic import Field, ValidationError, model_validator

from batch_conductor.domain.gates import BatchFacts


class _Metadata(WireModel):
    """Keys that decide something; a caller may send any others."""

    prompt_attached: Flag | None = None
    student_prompt_ref: StorageReferenceMetadata | None = None
    assignment_id: Annotated[Identifier, Field(max_length=100)] | None = None
    grades_requested: Flag | None = None
    essays_ready: Flag | None = None
    essay_count: Annotated[Count, Field(le=MAX_ESSAYS_PER_BATCH)] | None = None
    max_cost_usd: Annotated[Money, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.student_prompt_ref is None:
            return self
        if self.prompt_storage_id is None:
            raise ValueError(f"student_prompt_ref has no {ContentType.STUDENT_PROMPT_TEXT} reference")
        if self.prompt_attached is False:
            raise ValueError("prompt_attached is false, yet there is a student_prompt_ref: send one of them")
        return self

    @property
    def prompt_storage_id(self) -> str | None:
        """Where the content store keeps the student prompt."""
        if self.student_prompt_ref is None:
            return None
        return self.student_prompt_ref.storage_id(ContentType.STUDENT_PROMPT_TEXT)


class _Body(WireModel):
    """Puts the name of the field before the reasons."""

    batch_metadata: _Metadata


def read_facts(batch_metadata: JsonObject | None) -> BatchFacts:
    """What the caller says of the batch; ``InvalidRequest`` says which key is wrong."""
    try:
        said = _Body.model_validate({"batch_metadata": batch_metadata or {}}).batch_metadata
    except ValidationError as error:
        raise InvalidRequest.of(error) from error
    return BatchFacts(
        prompt_attached=said.prompt_attached,
        prompt_storage_id=said.prompt_storage_id,
        assignment_id=said.assignment_id,
        grades_requested=bool(said.grades_requested),
        essays_ready=said.essays_ready,
        essay_count=said.essay_count,
        max_cost_usd=said.max_cost_usd,
    )
