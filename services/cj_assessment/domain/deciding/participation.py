"""Which essays take part in a batch, and which are excluded and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from event_contracts import ComparisonState

from cj_assessment.domain.batch import Essay
from cj_assessment.domain.comparison import Asked
from cj_assessment.domain.deciding.snapshot import OPEN, Snapshot


@dataclass(frozen=True, kw_only=True)
class Participation:
    """Essays that take part, in the order of their items, and the reason for each that does not, by essay id."""

    essays: tuple[Essay, ...]
    excluded: Mapping[str, str]

    @property
    def has_students(self) -> bool:
        """False where only anchors take part: comparing those with each other would be pointless."""
        return any(not essay.is_anchor for essay in self.essays)

    @property
    def round_size(self) -> int:
        """Comparisons of one round: every essay takes part once."""
        return max(1, len(self.essays) // 2)


def participation(snapshot: Snapshot) -> Participation:
    """Exclude essays whose comparisons all failed, once there are too many to be chance."""
    judged = _times(snapshot.asked, ComparisonState.JUDGED)
    failed = _times(snapshot.asked, ComparisonState.FAILED)
    excluded = {
        essay.essay_id: f"none of its {failed[essay.item]} comparisons could be judged"
        for essay in snapshot.essays
        if judged[essay.item] == 0 and failed[essay.item] >= snapshot.rules.exclude_after
    }
    return Participation(
        essays=tuple(essay for essay in snapshot.essays if essay.essay_id not in excluded), excluded=excluded
    )


def has_open_student_comparison(snapshot: Snapshot) -> bool:
    """True while a comparison of a student's essay may still be answered."""
    students = _student_items(snapshot.essays)
    return any(
        pair.state in OPEN and (pair.slot_a in students or pair.slot_b in students) for pair in snapshot.asked
    )


def no_student_judged_yet(snapshot: Snapshot) -> bool:
    """True while no comparison of any student's essay has been judged, and one has failed."""
    students = _student_items(snapshot.essays)
    states = {pair.state for pair in snapshot.asked if pair.slot_a in students or pair.slot_b in students}
    return ComparisonState.FAILED in states and ComparisonState.JUDGED not in states


def _student_items(essays: Sequence[Essay]) -> frozenset[int]:
    return frozenset(essay.item for essay in essays if not essay.is_anchor)


def _times(asked: Sequence[Asked], state: ComparisonState) -> Counter[int]:
    return Counter(item for pair in asked if pair.state == state for item in (pair.slot_a, pair.slot_b))
