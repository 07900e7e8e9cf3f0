"""Grade scales, and anchors: items whose grade is known."""

from dataclasses import dataclass
from enum import StrEnum

from cj_measurement.errors import InvalidArgument

HIGH, MID = 0.8, 0.6


class ConfidenceLabel(StrEnum):
    """How sure a grade is."""

    HIGH = "HIGH"
    MID = "MID"
    LOW = "LOW"


@dataclass(frozen=True, slots=True)
class Anchor:
    """An item whose grade is known; ``grade`` counts from 0, the lowest."""

    item: int
    grade: int


@dataclass(frozen=True, slots=True)
class ScaleShape:
    """How many grades a scale has, and whether there is one below the lowest anchor's.

    ``priors`` (n_grades) are the shares of essays expected at each grade; raises ``InvalidArgument``.
    """

    n_grades: int
    has_below_lowest: bool = False
    priors: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.n_grades < 2:
            raise InvalidArgument("a scale has at least two grades")
        if self.priors is not None and (
            len(self.priors) != self.n_grades or min(self.priors) <= 0 or abs(sum(self.priors) - 1) > 1e-6
        ):
            raise InvalidArgument("priors are one positive share per grade, and their sum is 1")


def confidence_label(probability: float) -> ConfidenceLabel:
    """HIGH from .8, MID from .6, else LOW."""
    if probability >= HIGH:
        return ConfidenceLabel.HIGH
    return ConfidenceLabel.MID if probability >= MID else ConfidenceLabel.LOW
