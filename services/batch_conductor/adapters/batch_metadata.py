"""Reads the free ``batch_metadata`` of a request: the few keys that gates look at, strictly."""

from typing import Self

from event_contracts import (
    ContentType,
    Flag,
    InvalidRequest,
    JsonObject,
    StorageReferenceMetadata,
    WireModel,
)
from pydantic import ValidationError, model_validator

from batch_conductor.domain.gates import BatchFacts


class _Metadata(WireModel):
    """Keys that decide something; a caller may send any others."""

    prompt_attached: Flag | None = None
    student_prompt_ref: StorageReferenceMetadata | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.student_prompt_ref is None:
            return self
        if self.student_prompt_ref.storage_id(ContentType.STUDENT_PROMPT_TEXT) is None:
            raise ValueError(f"student_prompt_ref has no {ContentType.STUDENT_PROMPT_TEXT} reference")
        if self.prompt_attached is False:
            raise ValueError("prompt_attached is false, yet there is a student_prompt_ref: send one of them")
        return self


class _Body(WireModel):
    """Puts the name of the field before the reasons."""

    batch_metadata: _Metadata


def read_facts(batch_metadata: JsonObject | None) -> BatchFacts:
    """What the caller says of the batch; ``InvalidRequest`` says which key is wrong."""
    try:
        said = _Body.model_validate({"batch_metadata": batch_metadata or {}}).batch_metadata
    except ValidationError as error:
        raise InvalidRequest.of(error) from error
    return BatchFacts(has_student_prompt=said.student_prompt_ref is not None or said.prompt_attached is True)
