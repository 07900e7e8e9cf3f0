"""Whether a run's folder holds what it says: schema, checksums, each comparison's request, scores."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Final

from event_contracts import InvalidRequest, NotFound
from pydantic import JsonValue, ValidationError

from batch_runner.artefact.assessment_run import (
    AssessmentRun,
    ManifestEntry,
    artefact_schema,
    document_checksum,
)
from batch_runner.artefact.inputs import AnchorInput, StudentInput
from batch_runner.artefact.judged import ComparisonStatus, RecordedComparison
from batch_runner.artefact.outcome import Score
from batch_runner.artefact.record import RunMode
from batch_runner.artefact.run_files import MANIFEST, entries_of, read_manifest

SHOWN: Final = 5
MAX_RECORD_BYTES: Final = 1_000_000_000
DIGITS: Final = 1e-13
"""A score that is computed again is the recorded one up to this difference, in relation to its size."""


@dataclass(frozen=True, slots=True)
class Verified:
    """One check: what was checked, and every way in which it failed."""

    what: str
    problems: tuple[str, ...]


def artefact_path(folder: Path) -> Path:
    """The record in a run's folder, that of the last step that was taken, or the file itself; raises ``NotFound``."""
    if folder.is_file():
        return folder
    for mode in (RunMode.EXECUTE, RunMode.DRY_RUN, RunMode.PLAN):
        path = folder / f"assessment_run.{mode}.json"
        if path.is_file():
            return path
    raise NotFound(f"{folder} holds no assessment_run.*.json: is it a run's folder, and has the run ended?")


def read_artefact(run: Path) -> AssessmentRun:
    """The record of a run's folder, or in this file; raises ``NotFound`` and ``InvalidRequest``."""
    path = artefact_path(run)
    if path.stat().st_size > MAX_RECORD_BYTES:
        raise InvalidRequest(f"{path}: larger than {MAX_RECORD_BYTES} bytes, which no run's record is")
    try:
        return AssessmentRun.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidRequest(f"{path}: no record of a run: {InvalidRequest.of(error).message}") from error


def verify(folder: Path) -> tuple[Verified, ...]:
    """Every check of a run's folder; raises ``NotFound`` where there is no record."""
    path = artefact_path(folder)
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        return (Verified("schema", (f"{path.name} is not JSON: {error}",)),)
    schema = tuple(_schema_problems(document))
    checks = [Verified("schema", schema), Verified("files", tuple(_file_problems(folder)))]
    if not schema:
        try:
            run = AssessmentRun.model_validate(document)
        except ValidationError as error:
            return (*checks, Verified("record", (InvalidRequest.of(error).message,)))
        checks.append(Verified("checksum", tuple(_checksum_problems(run, document))))
        checks.append(Verified("texts", tuple(_text_problems(run))))
        checks.append(Verified("comparisons", tuple(_comparison_problems(run))))
        checks.append(Verified("scores", tuple(_score_problems(run))))
    return tuple(checks)


def schema_errors(document: JsonValue) -> Iterator[str]:
    """Where the document breaks the schema."""
    # Imported here: it loads checks of formats that take longer than most commands do.
    import jsonschema

    validator = jsonschema.Draft202012Validator(
        artefact_schema(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    for error in validator.iter_errors(document):
        yield f"{error.json_path}: {error.message[:200]}"


def _schema_problems(document: JsonValue) -> Iterator[str]:
    found = schema_errors(document)
    for _, problem in zip(range(SHOWN), found, strict=False):
        yield problem


def _checksum_problems(run: AssessmentRun, document: dict[str, JsonValue]) -> Iterator[str]:
    if run.validation.artefact_checksum != document_checksum(document):
        yield "the record was changed after it was written"


def _file_problems(folder: Path) -> Iterator[str]:
    try:
        listed = read_manifest(folder)
    except FileNotFoundError:
        yield f"there is no {MANIFEST}"
        return
    except ValidationError as error:
        yield f"{MANIFEST}: {InvalidRequest.of(error).message}"
        return
    found = {entry.path: entry for entry in entries_of(folder)}
    for entry in listed:
        yield from _entry_problems(entry, found.pop(entry.path, None))
    yield from (f"{path} is not listed in {MANIFEST}" for path in found)


def _entry_problems(listed: ManifestEntry, found: ManifestEntry | None) -> Iterator[str]:
    if found is None:
        yield f"{listed.path} is missing"
    elif found != listed:
        yield f"{listed.path} was changed after the run ended"


def _text_problems(run: AssessmentRun) -> Iterator[str]:
    texts: tuple[AnchorInput | StudentInput, ...] = (*run.inputs.anchors, *run.inputs.students)
    for each in texts:
        if hashlib.sha256(each.text.encode()).hexdigest() != each.text_checksum:
            yield f"{each.file_name or each.source_path}: the text does not have its checksum"


def _comparison_problems(run: AssessmentRun) -> Iterator[str]:
    numbers = [each.sequence for each in run.llm_comparisons]
    if numbers != list(range(1, len(numbers) + 1)):
        yield "comparisons are missing, doubled or out of order"
    for each in run.llm_comparisons:
        missing = _missing(each)
        if missing:
            yield f"comparison {each.sequence} has no {', '.join(missing)}"


def _missing(comparison: RecordedComparison) -> list[str]:
    """Which of the facts about a request that was answered are not on record."""
    if comparison.status is not ComparisonStatus.SUCCEEDED:
        return []
    needed = ("prompt_hash", "provider", "model", "completed_at", "justification", "confidence")
    return [name for name in needed if getattr(comparison, name) is None]


def _same(recorded: Score, computed: Score) -> bool:
    """Equal, numbers to thirteen digits: the last ones depend on where in memory a library's sums begin."""
    ours, theirs = recorded.model_dump(), computed.model_dump()
    return all(
        isclose(value, theirs[name], rel_tol=DIGITS, abs_tol=DIGITS)
        if isinstance(value, float) and isinstance(theirs[name], float)
        else value == theirs[name]
        for name, value in ours.items()
    )


def _score_problems(run: AssessmentRun) -> Iterator[str]:
    # Imported here: numpy and scipy take a second, and a record that breaks its schema is refused before that.
    from batch_runner.artefact.scoring import scored

    again = scored(
        run.inputs,
        run.llm_comparisons,
        ranked=[each.essay_id for each in run.bt_summary],
        grades={each.essay_id: each.grade for each in run.grade_projections},
    )
    by_essay = {each.essay_id: each for each in again}
    for recorded in run.bt_summary:
        computed = by_essay.get(recorded.essay_id)
        if computed is None or not _same(recorded, computed):
            yield f"{recorded.essay_id}: the recorded comparisons do not give its score"
