"""Results too large for their topic: what is left out of it, and how large the rest can become."""

import json
from collections.abc import Collection, Mapping
from typing import Final

from event_contracts import AssessmentMetadata, AssessmentResultV1, EssayResultV1, GradeProjectionSummary

DECIMALS: Final = 5
MAX_RESULT_BYTES_WITHOUT_ESSAYS: Final = 16 * 1024
MAX_BYTES_PER_ESSAY: Final = 162
"""Of an essay in a reduced event, besides its id: every name and number at its longest."""

BYTES_PER_ANCHOR_MARK: Final = len(',"is_anchor":true')

_OF_SINGLE_ESSAYS: Final[Mapping[str, bool | Mapping[str, bool]]] = {
    "failed_essays": True,
    "unranked_essays": True,
    "look_at": True,
    "failed_comparisons": {"by_essay": True},
}
"""Notes of the metadata that grow with the essays, as pydantic's ``exclude``."""

_OF_SINGLE_ANCHORS: Final = ("displacement", "warnings")
LEFT_OUT: Final = (
    *(
        f"grade_projections.{name}"
        for name in (
            "primary_grades",
            "confidence_labels",
            "confidence_scores",
            "grade_probabilities",
            "bt_stats",
        )
    ),
    *(f"grade_projections.calibration_info.{name}" for name in _OF_SINGLE_ANCHORS),
    "failed_essays",
    "unranked_essays",
    "look_at",
    "failed_comparisons.by_essay",
)


def reduced(result: AssessmentResultV1, *, result_ref: str) -> AssessmentResultV1:
    """Ranks, grades and scores of every essay; ``result_ref`` is where the whole result is kept."""
    metadata = result.assessment_metadata
    projections = _without_essays(metadata.grade_projections)
    # The metadata's own names stay as they are; of the notes, those that name essays are not there at all.
    notes = metadata.notes()
    kept = notes.model_dump(mode="json", exclude={**_OF_SINGLE_ESSAYS, **notes.left_out()})
    short = AssessmentMetadata.model_construct(
        **{name: getattr(metadata, name) for name in AssessmentMetadata.model_fields}
        | kept
        | {"left_out": list(LEFT_OUT)}
        | {"grade_projections": projections, "grade_projection_summary": projections}
    )
    return result.model_copy(
        update={
            "essay_results": tuple(_rounded(essay) for essay in result.essay_results),
            "assessment_metadata": short,
            "result_ref": result_ref,
        }
    )


def max_reduced_bytes(essay_ids: Collection[str], *, anchors: int) -> int:
    """An upper bound for the reduced event about these essays, ``anchors`` of which are anchors."""
    ids = sum(len(json.dumps(essay_id, ensure_ascii=False).encode()) for essay_id in essay_ids)
    essays = MAX_BYTES_PER_ESSAY * len(essay_ids) + BYTES_PER_ANCHOR_MARK * anchors
    return MAX_RESULT_BYTES_WITHOUT_ESSAYS + ids + essays


def _without_essays(projections: GradeProjectionSummary) -> GradeProjectionSummary:
    information = projections.calibration_info
    return GradeProjectionSummary(
        projections_available=projections.projections_available,
        calibration_info={
            name: value for name, value in information.items() if name not in _OF_SINGLE_ANCHORS
        },
    )


def _rounded(essay: EssayResultV1) -> EssayResultV1:
    return essay.model_copy(
        update={
            "normalized_score": round(essay.normalized_score, DECIMALS),
            "confidence_score": round(essay.confidence_score, DECIMALS),
            "bt_score": round(essay.bt_score, DECIMALS),
        }
    )
