"""What a request may ask for, which texts can be judged, and what stands for what."""

from dataclasses import replace
from decimal import Decimal

import pytest
from cj_assessment.domain.assignments import Anchor, Instruction
from cj_assessment.domain.batch import (
    Essay,
    Judge,
    Limits,
    TextRules,
    content_seed,
    nothing_to_judge,
    request_sha256,
    with_anchors,
    with_text,
)
from cj_assessment.domain.contents import Fetched
from cj_assessment.domain.request_checks import check_cost_cap, check_rubric
from cj_assessment.domain.results import ranks
from cj_assessment.domain.signals import Signal
from cj_assessment.tests.building import NOW, request
from cj_assessment.use_cases.prepare_batch import usable_anchors
from event_contracts import ContextOrigin, InvalidRequest, LLMConfigOverrides
from hypothesis import given
from hypothesis import strategies as st

SCALE = "eng5_np_legacy_9_step"
RULES = TextRules(max_characters=100)
STUDENTS = (
    Essay(item=0, essay_id="a", text_storage_id="text-a"),
    Essay(item=1, essay_id="b", text_storage_id="text-b"),
)


def anchor(label: str, grade: str = "B", *, text: str | None = None, scale: str = SCALE) -> Anchor:
    return Anchor(label=label, grade=grade, grade_scale=scale, text_storage_id=text or f"text-{label}")


def instruction(
    scale: str = SCALE, *, assignment_id: str | None = "task", national: bool = False
) -> Instruction:
    return Instruction(
        assignment_id=assignment_id,
        instructions_text="Compare the two texts.",
        grade_scale=scale,
        context_origin=ContextOrigin.CANONICAL_NATIONAL if national else ContextOrigin.RESEARCH_EXPERIMENT,
    )


def fetched(**bodies: bytes) -> Fetched:
    return Fetched(bodies={name.replace("_", "-"): body for name, body in bodies.items()}, failures={})


def test_anchors_follow_the_students_in_their_order() -> None:
    everyone = with_anchors(STUDENTS, [anchor("B1"), anchor("A1", "A")])

    assert [(essay.item, essay.essay_id, essay.anchor_grade) for essay in everyone] == [
        (0, "a", None),
        (1, "b", None),
        (2, "B1", "B"),
        (3, "A1", "A"),
    ]


def test_an_anchor_that_was_sent_as_a_students_essay_is_not_there_twice() -> None:
    everyone = with_anchors(STUDENTS, [anchor("B1", text="text-b")])

    assert len(everyone) == 2
    assert everyone[1].anchor_grade == "B"
    assert everyone[1].signals == (Signal.ANCHOR_TEXT,)


def test_an_essay_with_an_anchors_name_and_another_text_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="a; rename"):
        with_anchors(STUDENTS, [anchor("a", text="another")])


def test_anchors_of_another_scale_are_never_used() -> None:
    anchors = [anchor("B1"), anchor("7", "7", scale="eng5_np_national_9_step")]

    scale, used = usable_anchors(instruction(SCALE), anchors)

    assert scale == SCALE
    assert [found.label for found in used] == ["B1"]


def test_anchors_on_one_scale_name_it_before_the_course_does() -> None:
    scale, used = usable_anchors(instruction("swedish_8_anchor", assignment_id=None), [anchor("B1")])

    assert (scale, len(used)) == (SCALE, 1)


def test_anchors_on_several_scales_need_an_instruction() -> None:
    with pytest.raises(InvalidRequest, match="several scales"):
        usable_anchors(None, [anchor("B1"), anchor("7", "7", scale="eng5_np_national_9_step")])


def test_an_unknown_scale_is_refused_with_the_scales_there_are() -> None:
    with pytest.raises(InvalidRequest, match="the scales are"):
        usable_anchors(instruction("no_such_scale"), [])


def test_a_rubric_of_ones_own_is_refused_for_a_national_assignment_only() -> None:
    own = LLMConfigOverrides(judge_rubric_override="mine")

    check_rubric(own, instruction())
    check_rubric(LLMConfigOverrides(), instruction(national=True))
    with pytest.raises(InvalidRequest, match="canonical_national"):
        check_rubric(own, instruction(national=True))


def test_a_cap_in_dollars_needs_a_known_price() -> None:
    limits = Limits(max_comparisons=None, max_cost_usd=Decimal(1), target_reliability=0.9, deadline=NOW)
    known = Judge(provider="openai", model="m", expected_cost_usd=Decimal("0.01"))

    check_cost_cap(limits, (known,))
    check_cost_cap(replace(limits, max_cost_usd=None), (replace(known, expected_cost_usd=None),))
    with pytest.raises(InvalidRequest, match="openai/m"):
        check_cost_cap(limits, (replace(known, expected_cost_usd=None),))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "EMPTY_CONTENT"),
        (b" \n\t", "EMPTY_CONTENT"),
        (b"\xff", "TEXT_EXTRACTION_FAILED"),
        (b"a\x00b", "TEXT_EXTRACTION_FAILED"),
        (b"x" * 101, "CONTENT_TOO_LONG"),
    ],
)
def test_a_text_that_cannot_be_judged_has_a_problem_and_no_text(body: bytes, code: str) -> None:
    essay = with_text(STUDENTS[0], fetched(text_a=body), rules=RULES)

    assert essay.problem is not None
    assert essay.problem.startswith(code)
    assert essay.text is None


def test_a_text_out_of_reach_is_told_from_one_that_is_not_there() -> None:
    away = Fetched(bodies={}, failures={"text-a": "the content service answered 500"})

    unreachable = with_text(STUDENTS[0], away, rules=RULES)
    missing = with_text(STUDENTS[1], away, rules=RULES)

    assert (unreachable.problem or "").startswith("CONTENT_SERVICE_ERROR")
    assert (missing.problem or "").startswith("RESOURCE_NOT_FOUND")


def test_a_batch_needs_one_student_whose_essay_can_be_judged() -> None:
    blank = replace(STUDENTS[0], problem="EMPTY_CONTENT: the essay has no text")

    assert nothing_to_judge((blank,)) is not None
    assert nothing_to_judge((blank, replace(STUDENTS[1], text="text"))) is None


def test_the_same_order_is_the_same_request_whenever_it_is_sent() -> None:
    first = request({"a": "1", "b": "2"}, batch_id="same")
    again = request({"a": "1", "b": "2"}, batch_id="same")

    assert request_sha256(first) == request_sha256(again)
    assert request_sha256(first) != request_sha256(request({"a": "1", "c": "2"}, batch_id="same"))


def test_the_seed_of_a_batch_depends_on_its_texts_and_their_order() -> None:
    digests = [f"{number:064x}" for number in range(5)]

    assert content_seed(digests) == content_seed(list(digests))
    assert content_seed(digests) != content_seed(digests[::-1])
    assert 0 <= content_seed(digests) < 2**63


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_equal_abilities_share_the_better_rank(theta: list[float]) -> None:
    found = ranks(tuple(theta))

    for ability, rank in zip(theta, found, strict=True):
        assert rank == 1 + sum(other > ability for other in theta)
