"""Grades are never silent about what is weak: few anchors, anchors out of order, displaced ones."""

import numpy as np
import pytest
from cj_measurement import GradeProjection, ScaleShape, WarningKind
from cj_measurement.tests.anchored_grades import LADDER, RUNGS, projected


def kinds(projection: GradeProjection) -> set[WarningKind]:
    return {warning.kind for warning in projection.warnings}


def test_twelve_anchors_in_order_on_every_grade_give_no_warning() -> None:
    theta = np.repeat(np.arange(4.0), 3) + np.tile([-0.1, 0.0, 0.1], 4)
    anchors = [(item, item // 3) for item in range(12)]

    projection = projected([*theta, 1.2], anchors, scale=ScaleShape(4), wins=[1] * 13)

    assert projection.warnings == ()
    assert projection.kendall_tau > 0.8


def test_few_anchors_and_grades_without_any_are_warned_of() -> None:
    projection = projected([-1.0, 0.0, 1.0, 0.3], [(0, 0), (1, 2), (2, 3)])

    assert kinds(projection) >= {WarningKind.FEW_ANCHORS, WarningKind.GRADES_WITHOUT_ANCHORS}
    missing = next(
        warning for warning in projection.warnings if warning.kind == WarningKind.GRADES_WITHOUT_ANCHORS
    )
    assert missing.grades == (1, 4)


def test_each_pair_of_anchors_out_of_order_is_listed() -> None:
    projection = projected([-2.0, 0.2, 0.1, 1.0, -0.5], RUNGS)

    listed = {
        warning.items for warning in projection.warnings if warning.kind == WarningKind.ANCHORS_OUT_OF_ORDER
    }
    assert listed == {(1, 2), (1, 4), (2, 4), (3, 4)}
    assert projection.kendall_tau == pytest.approx(0.2)


def test_an_anchor_that_never_won_is_warned_of() -> None:
    projection = projected([*LADDER, 0.0], RUNGS, wins=[0, 3, 4, 6, 9, 2])

    listed = [warning for warning in projection.warnings if warning.kind == WarningKind.ANCHOR_WITHOUT_WINS]
    assert [warning.items for warning in listed] == [(0,)]


def test_displacement_is_how_far_an_anchor_lies_from_where_the_others_put_its_grade() -> None:
    theta = [-2.0, -1.0, 0.0, 1.0, 2.0, 1.5]

    projection = projected([*theta, 0.0], [*RUNGS, (5, 2)])

    assert projection.displacement[5] == pytest.approx(1.5, abs=0.25)
    far = [warning for warning in projection.warnings if warning.kind == WarningKind.ANCHOR_DISPLACED]
    assert [warning.items for warning in far] == [(5,)]


def test_an_anchor_off_a_straight_line_is_displaced_by_just_that_much() -> None:
    projection = projected([-2.0, -1.0, 0.7, 1.0, 2.0], RUNGS)

    assert projection.displacement[2] == pytest.approx(0.7)


def test_anchors_without_which_there_is_no_map_have_no_displacement() -> None:
    projection = projected([-1.0, 1.0, 0.9, 0.0], [(0, 0), (1, 4), (2, 4)])

    assert projection.displacement.keys() == {1, 2}
