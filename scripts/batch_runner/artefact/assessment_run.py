"""The record of a run, ``assessment_run.<mode>.json``: its model, its JSON Schema and its checksum.

The checksum is the SHA-256 of the record as canonical JSON (keys sorted, no spaces, UTF-8, characters outside ASCII
as they are) with ``validation.artefact_checksum`` set to 64 zeros.
"""

import hashlib
import json
from typing import Annotated, Final, Self

from event_contracts import Count, Flag, Identifier, Name, Seconds, Sha256Hex, Text
from pydantic import Field, JsonValue, model_validator

from batch_runner.artefact import outcome
from batch_runner.artefact.inputs import RunInputs, RunMetadata, SchemaVersion
from batch_runner.artefact.judged import Costs, RecordedComparison
from batch_runner.artefact.record import MAX_RECORDED_COMPARISONS, Record

NO_CHECKSUM: Final = "0" * 64
CHECKSUM_RECIPE: Final = (
    "SHA-256 of this document as JSON with sorted keys, separators ',' and ':', UTF-8, non-ASCII characters unescaped,"
    " and validation.artefact_checksum replaced by 64 zeros"
)
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ID: Final = "urn:comparative-judgement-suite:assessment_run:1.0"


class ManifestEntry(Record):
    """A file of the run's folder, by its path in it."""

    path: Text
    sha256: Sha256Hex
    bytes: Annotated[int, Field(ge=0)]


class CliEnvironment(Record):
    """What the runner ran on; null what is not installed."""

    python: Name
    pdm: Name | None
    os: Name
    docker_compose: Name | None


class ObservedEvents(Record):
    """Messages about this batch that the runner saw, each counted once."""

    llm_comparisons: Count
    assessment_results: Count
    completions: Count


class RunnerStatus(Record):
    """Whether the record is whole: ``partial_data`` where the batch had not ended, or not all of it was fetched."""

    partial_data: Flag
    timeout_seconds: Seconds | None
    observed_events: ObservedEvents


class Validation(Record):
    """How the record can be checked."""

    artefact_checksum: Sha256Hex
    checksum_recipe: Text = CHECKSUM_RECIPE
    manifest_entries: tuple[ManifestEntry, ...]
    cli_environment: CliEnvironment
    runner_status: RunnerStatus


class AssessmentRun(Record):
    """A run of the batch runner: what went in, what was judged, what came out, and how to check it."""

    schema_version: SchemaVersion
    metadata: RunMetadata
    inputs: RunInputs
    llm_comparisons: Annotated[tuple[RecordedComparison, ...], Field(max_length=MAX_RECORDED_COMPARISONS)]
    bt_summary: tuple[outcome.Score, ...]
    grade_projections: tuple[outcome.Projection, ...]
    anchor_alignment: outcome.AnchorAlignment | None
    reliability: outcome.ReliabilityRecord | None
    position_bias: tuple[outcome.JudgePosition, ...]
    stop: outcome.Stop
    judging: outcome.Judging
    convergence: tuple[outcome.Reading, ...]
    flags: tuple[outcome.Remark, ...]
    unranked: dict[Identifier, Text]
    costs: Costs
    validation: Validation

    @model_validator(mode="after")
    def _anchors_where_there_is_a_scale(self) -> Self:
        if (self.metadata.grade_scale is None) != (not self.inputs.anchors):
            raise ValueError("a run on a grade scale has at least one anchor, one without has none")
        return self

    @model_validator(mode="after")
    def _names_known_essays(self) -> Self:
        known = {each.essay_id for each in self.inputs.students}
        known |= {each.anchor_id for each in self.inputs.anchors}
        named = {each.essay_id for each in self.bt_summary}
        named |= {name for each in self.llm_comparisons for name in (each.essay_a_id, each.essay_b_id)}
        if unknown := sorted(named - known):
            raise ValueError(f"names essays that are not among the inputs: {', '.join(unknown[:3])}")
        return self

    def sealed(self) -> Self:
        """The same record with its own checksum."""
        unsealed = self._with_checksum(NO_CHECKSUM)
        return unsealed._with_checksum(unsealed.checksum())

    def checksum(self) -> str:
        """What ``validation.artefact_checksum`` must be."""
        return document_checksum(json.loads(self.model_dump_json()))

    def _with_checksum(self, checksum: str) -> Self:
        validation = self.validation.model_copy(update={"artefact_checksum": checksum})
        return self.model_copy(update={"validation": validation})


def document_checksum(document: dict[str, JsonValue]) -> str:
    """The checksum of a record as it was read from JSON, by the recipe; raises ``KeyError`` for another document."""
    validation = document["validation"]
    if not isinstance(validation, dict):
        raise KeyError("validation")
    unsealed = {**document, "validation": {**validation, "artefact_checksum": NO_CHECKSUM}}
    canonical = json.dumps(unsealed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def artefact_schema() -> dict[str, JsonValue]:
    """JSON Schema (2020-12) of the record; every object is closed."""
    schema = AssessmentRun.model_json_schema(mode="serialization")
    # What two fields say together: anchors where there is a scale, and none without.
    graded: JsonValue = {"properties": {"metadata": {"properties": {"grade_scale": {"type": "string"}}}}}
    return {
        "$schema": _DIALECT,
        "$id": _ID,
        **schema,
        "if": graded,
        "then": {"properties": {"inputs": {"properties": {"anchors": {"minItems": 1}}}}},
        "else": {"properties": {"inputs": {"properties": {"anchors": {"maxItems": 0}}}}},
    }
