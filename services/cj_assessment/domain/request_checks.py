"""What a request must satisfy before its batch is stored."""

from collections import Counter

from event_contracts import (
    ContextOrigin,
    ELS_CJAssessmentRequestV1,
    InvalidRequest,
    LLMConfigOverrides,
    course_language,
)

from cj_assessment.domain.assignments import Instruction
from cj_assessment.domain.batch import Judge, Limits


def check_essays(request: ELS_CJAssessmentRequestV1) -> None:
    """Raise ``InvalidRequest`` for a batch without essays or with an essay id twice."""
    if not request.essays_for_cj:
        raise InvalidRequest("essays_for_cj is empty: send at least one essay, with anchors, or two")
    counted = Counter(essay.essay_id for essay in request.essays_for_cj)
    repeated = sorted(essay_id for essay_id, times in counted.items() if times > 1)
    if repeated:
        raise InvalidRequest(
            f"essay ids must be unique within a batch; sent more than once: {', '.join(repeated[:10])}",
            details={"repeated_essay_ids": list(repeated[:100])},
        )


def check_language(request: ELS_CJAssessmentRequestV1) -> None:
    """Raise ``InvalidRequest`` for another language than the course's: judges would be given the wrong one."""
    language = course_language(request.course_code)
    if request.language != language:
        raise InvalidRequest(
            f"language must be {language.value!r}, the language of {request.course_code.value}: correct it, or name"
            " another course_code"
        )


def check_rubric(overrides: LLMConfigOverrides, instruction: Instruction | None) -> None:
    """Raise ``InvalidRequest`` for a rubric of the requester's own where the assignment's is binding."""
    national = instruction is not None and instruction.context_origin is ContextOrigin.CANONICAL_NATIONAL
    if national and overrides.judge_rubric_override is not None:
        raise InvalidRequest(
            "judge_rubric_override is not allowed for a canonical_national assignment: its own rubric is"
            " binding; leave the override out, or use an assignment for research_experiment"
        )


def check_cost_cap(limits: Limits, judges: tuple[Judge, ...]) -> None:
    """Raise ``InvalidRequest`` when a cap in dollars could not be kept because a judge's price is not known."""
    unknown = [judge.name for judge in judges if judge.expected_cost_usd is None]
    if limits.max_cost_usd is not None and unknown:
        raise InvalidRequest(
            f"max_cost_usd cannot be kept: no price is known for {', '.join(unknown)}; name max_comparisons"
            " instead, or a model with a known price"
        )
