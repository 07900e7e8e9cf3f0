"""The grade scales, as the national tests define them."""

import pytest
from event_contracts import GRADE_SCALES, GradeScale, InvalidRequest, grade_scale

SWEDISH = GRADE_SCALES["swedish_8_anchor"]
LEGACY = GRADE_SCALES["eng5_np_legacy_9_step"]
NATIONAL = GRADE_SCALES["eng5_np_national_9_step"]


def test_there_are_three_scales_lowest_grade_first() -> None:
    assert {scale.id: " ".join(scale.grades) for scale in GRADE_SCALES.values()} == {
        "swedish_8_anchor": "F E D D+ C C+ B A",
        "eng5_np_legacy_9_step": "F+ E- E+ D- D+ C- C+ B A",
        "eng5_np_national_9_step": "1 2 3 4 5 6 7 8 9",
    }
    assert [scale.below_lowest for scale in GRADE_SCALES.values()] == [None, "F", "0"]


@pytest.mark.parametrize("scale", GRADE_SCALES.values(), ids=lambda scale: scale.id)
def test_priors_are_one_share_a_grade_or_none_at_all(scale: GradeScale) -> None:
    assert scale.priors is None or len(scale.priors) == len(scale.grades)
    assert scale.priors is None or sum(scale.priors) == pytest.approx(1)


@pytest.mark.parametrize(
    ("scale", "anchor_id", "grade"),
    [
        (LEGACY, "F+1", "F+"),
        (LEGACY, "F+2", "F+"),
        (LEGACY, "E-12", "E-"),
        (LEGACY, "A", "A"),
        (SWEDISH, "D+1", "D+"),
        (SWEDISH, "D1", "D"),
        (NATIONAL, "71", "7"),
        (NATIONAL, "7", "7"),
    ],
)
def test_an_anchor_id_names_the_grade_of_its_script(scale: GradeScale, anchor_id: str, grade: str) -> None:
    assert scale.grade_of_anchor_id(anchor_id) == grade


@pytest.mark.parametrize(
    ("scale", "anchor_id"),
    [
        (LEGACY, "E1"),
        (LEGACY, "F"),
        (LEGACY, "G+1"),
        (LEGACY, "F+a"),
        (LEGACY, "f+1"),
        (LEGACY, ""),
        (LEGACY, "F+²"),
        (SWEDISH, "E-1"),
        (NATIONAL, "0"),
        (NATIONAL, "01"),
    ],
)
def test_an_anchor_of_another_scale_is_refused(scale: GradeScale, anchor_id: str) -> None:
    with pytest.raises(InvalidRequest, match=scale.id):
        scale.grade_of_anchor_id(anchor_id)


def test_a_grade_has_its_place_on_the_scale() -> None:
    assert LEGACY.index("F+") == 0
    assert LEGACY.index("A") == 8


@pytest.mark.parametrize("grade", ["F", "U", "", "a"])
def test_a_grade_that_is_not_on_the_scale_is_refused(grade: str) -> None:
    with pytest.raises(InvalidRequest, match="the grades are"):
        LEGACY.index(grade)


def test_an_unknown_scale_is_answered_with_those_there_are() -> None:
    with pytest.raises(InvalidRequest) as refused:
        grade_scale("eng5")

    assert all(name in str(refused.value) for name in GRADE_SCALES)
