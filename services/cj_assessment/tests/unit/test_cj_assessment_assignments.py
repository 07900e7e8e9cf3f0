"""An assignment's anchors lock the scale that their grades are on."""

from dataclasses import replace

import pytest
from cj_assessment.domain.assignments import Instruction, check_change_under_anchors
from event_contracts import Conflict, ContextOrigin

BEFORE = Instruction(
    assignment_id="essay-1",
    instructions_text="Compare the two essays.",
    grade_scale="swedish_8_anchor",
    context_origin=ContextOrigin.RESEARCH_EXPERIMENT,
)
CHANGES = [
    replace(BEFORE, grade_scale="eng5_np_legacy_9_step"),
    replace(BEFORE, context_origin=ContextOrigin.CANONICAL_NATIONAL),
]


@pytest.mark.parametrize("wanted", CHANGES)
def test_anchors_lock_the_scale_and_the_contexts_origin(wanted: Instruction) -> None:
    with pytest.raises(Conflict, match=r"has 2 anchors on swedish_8_anchor: .* delete the anchors first"):
        check_change_under_anchors(BEFORE, wanted, anchors=2)


@pytest.mark.parametrize("wanted", CHANGES)
def test_without_anchors_they_may_change(wanted: Instruction) -> None:
    check_change_under_anchors(BEFORE, wanted, anchors=0)


def test_other_changes_are_free_of_anchors() -> None:
    check_change_under_anchors(BEFORE, replace(BEFORE, instructions_text="Compare them again."), anchors=2)
