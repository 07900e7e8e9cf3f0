"""What a reader of grades should know of the anchors behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cj_measurement.comparisons import FloatArray, IntArray
from cj_measurement.grading.centres import Centres
from cj_measurement.grading.scale import Anchor, ScaleShape

FEW_ANCHORS = 12


class WarningKind(StrEnum):
    """What a reader of the grades should know."""

    FEW_ANCHORS = "few_anchors"
    GRADES_WITHOUT_ANCHORS = "grades_without_anchors"
    ANCHORS_OUT_OF_ORDER = "anchors_out_of_order"
    ANCHOR_WITHOUT_WINS = "anchor_without_wins"
    ANCHOR_DISPLACED = "anchor_displaced"


@dataclass(frozen=True, slots=True)
class GradeWarning:
    """One warning, with the anchors (items) or the grades (from 0) that it is about."""

    kind: WarningKind
    message: str
    items: tuple[int, ...] = ()
    grades: tuple[int, ...] = ()


def warnings_about(
    anchors: Sequence[Anchor],
    theta: FloatArray,
    scale: ScaleShape,
    centres: Centres,
    wins: IntArray | None,
) -> list[GradeWarning]:
    """``theta`` (anchors,) are the anchors' abilities."""
    found = []
    if len(anchors) < FEW_ANCHORS:
        text = f"{len(anchors)} anchors: grades are less certain with fewer than {FEW_ANCHORS}"
        found.append(GradeWarning(WarningKind.FEW_ANCHORS, text))
    missing = sorted(set(range(scale.n_grades)) - {anchor.grade for anchor in anchors})
    if missing:
        text = f"no anchors for {len(missing)} of {scale.n_grades} grades"
        found.append(GradeWarning(WarningKind.GRADES_WITHOUT_ANCHORS, text, grades=tuple(missing)))
    for low, high in _inversions(anchors, theta):
        text = "an anchor is ranked above one of a higher grade"
        found.append(GradeWarning(WarningKind.ANCHORS_OUT_OF_ORDER, text, (low, high)))
    for anchor in anchors:
        if wins is not None and wins[anchor.item] == 0:
            text = "an anchor never won: how far below the others it lies is hardly known"
            found.append(GradeWarning(WarningKind.ANCHOR_WITHOUT_WINS, text, (anchor.item,)))
    for place in centres.far_off:
        text = f"an anchor lies {centres.deleted[place]:+.1f} logits from where the others put its grade"
        found.append(GradeWarning(WarningKind.ANCHOR_DISPLACED, text, (anchors[place].item,)))
    return found


def _inversions(anchors: Sequence[Anchor], theta: FloatArray) -> list[tuple[int, int]]:
    """Pairs (item of the lower grade, item of the higher grade) that the ranking inverts."""
    return [
        (low.item, high.item)
        for place, low in enumerate(anchors)
        for other, high in enumerate(anchors)
        if low.grade < high.grade and theta[place] > theta[other]
    ]
