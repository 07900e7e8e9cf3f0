"""The grade scales that essays can be graded on, and the grade that an anchor id names."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from event_contracts.errors import InvalidRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class GradeScale:
    """Grades in order, lowest first.

    `below_lowest` is the grade below the lowest anchor, on a scale that has one. `priors` are the shares of
    essays expected at each grade, in the order of `grades`; None where every grade is as likely.
    """

    id: str
    grades: tuple[str, ...]
    below_lowest: str | None = None
    priors: tuple[float, ...] | None = None

    def index(self, grade: str) -> int:
        """The place of a grade, 0 for the lowest; InvalidRequest for a grade that the scale does not have."""
        try:
            return self.grades.index(grade)
        except ValueError:
            raise InvalidRequest(
                f"{grade!r} is not a grade of {self.id}: the grades are {' '.join(self.grades)}"
            ) from None

    def grade_of_anchor_id(self, anchor_id: str) -> str:
        """The grade of a script named `<grade>` or `<grade><number>`: "F+1" and "F+2" are scripts of "F+"."""
        for grade in sorted(self.grades, key=len, reverse=True):
            number = anchor_id.removeprefix(grade)
            if anchor_id.startswith(grade) and (not number or (number.isascii() and number.isdigit())):
                return grade
        raise InvalidRequest(
            f"anchor id {anchor_id!r} names no grade of {self.id}: write one of {' '.join(self.grades)}"
            " followed by the script's number"
        )


GRADE_SCALES: Final[Mapping[str, GradeScale]] = MappingProxyType(
    {
        scale.id: scale
        for scale in (
            GradeScale(
                id="swedish_8_anchor",
                grades=("F", "E", "D", "D+", "C", "C+", "B", "A"),
                priors=(0.02, 0.08, 0.15, 0.20, 0.25, 0.15, 0.10, 0.05),
            ),
            GradeScale(
                id="eng5_np_legacy_9_step",
                grades=("F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A"),
                below_lowest="F",
            ),
            GradeScale(
                id="eng5_np_national_9_step",
                grades=("1", "2", "3", "4", "5", "6", "7", "8", "9"),
                below_lowest="0",
            ),
        )
    }
)


def grade_scale(scale_id: str) -> GradeScale:
    """The scale of this id; InvalidRequest, naming the scales there are, for an unknown one."""
    try:
        return GRADE_SCALES[scale_id]
    except KeyError:
        raise InvalidRequest(
            f"unknown grade scale {scale_id!r}: the scales are {', '.join(GRADE_SCALES)}"
        ) from None
