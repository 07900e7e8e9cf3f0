"""What the platform's contract says of HTTP bodies, as rows: what is read, what is refused, what an answer has."""

from typing import Any, Final

_UUID: Final = "0f8fad5b-d9cb-469f-a165-70867728950e"
_TEXT: Final = "A text of a hundred characters or more, as an anchor must be: " + "word " * 10
# Bodies that peers send: payload, the body, what is read of it.
READ: Final[tuple[tuple[str, dict[str, Any], dict[str, Any]], ...]] = (
    (
        "ComparisonRequest",
        {"user_prompt": "p", "callback_topic": "t", "correlation_id": _UUID},
        {"prompt_blocks": None},
    ),
    (
        "ComparisonRequest",
        {"user_prompt": "p", "callback_url": "https://a.example/b"},
        {"correlation_id": None},
    ),
    (
        "ComparisonRequest",
        {"user_prompt": "p", "essay_a": "A", "essay_b": "B"},
        {"essay_a": "A", "essay_b": "B"},
    ),
    (
        "ComparisonRequest",
        {"user_prompt": "p", "user_id": "u", "metadata": {"any": [1]}},
        {"metadata": {"any": [1]}},
    ),
    (
        "ComparisonRequest",
        {
            "user_prompt": "p",
            "prompt_blocks": [
                {"target": "system", "content": "c", "cacheable": True, "ttl": "1h"},
                {"target": "user_content", "content": "d"},
            ],
        },
        {},
    ),
    ("ComparisonRequest", {"user_prompt": "p", "llm_config_overrides": {"provider_override": "OPENAI"}}, {}),
    (
        "AnchorRegistration",
        {"assignment_id": "a", "grade": "B", "essay_text": _TEXT},
        {"anchor_label": None, "grade_scale": None},
    ),
    (
        "AnchorRegistration",
        {"assignment_id": "a", "grade": "B", "essay_text": _TEXT, "grade_scale": "swedish_8_anchor"},
        {"grade_scale": "swedish_8_anchor"},
    ),
    (
        "InstructionUpsert",
        {"assignment_id": "a", "instructions_text": "ten letters", "grade_scale": "s"},
        {"context_origin": "research_experiment"},
    ),
    (
        "InstructionUpsert",
        {
            "course_id": "ENG5",
            "instructions_text": "ten letters",
            "grade_scale": "s",
            "context_origin": "canonical_national",
        },
        {"assignment_id": None},
    ),
    ("StudentPromptUpload", {"assignment_id": "a", "prompt_text": "Write about travel."}, {}),
    ("JudgeRubricUpload", {"assignment_id": "a", "rubric_text": "Clear and relevant."}, {}),
    (
        "PipelineRequest",
        {"batch_id": "b", "requested_pipeline": "comprehensive", "correlation_id": "c"},
        {"batch_metadata": None},
    ),
    (
        "PipelineRequest",
        {
            "batch_id": "b" * 255,
            "requested_pipeline": "nlp",
            "correlation_id": "c" * 100,
            "batch_metadata": {"prompt_attached": True, "prompt_source": "cms", "assignment_id": "a"},
        },
        {},
    ),
    ("PhaseCompletion", {"batch_id": "b", "phase_name": "spellcheck", "success": True}, {"success": True}),
    ("ContentStored", {"storage_id": "0123456789abcdef0123456789abcdef"}, {}),
)
# Bodies that are refused: payload, body, the field at fault.
NOT_READ: Final[tuple[tuple[str, dict[str, Any], str], ...]] = (
    ("ComparisonRequest", {"callback_topic": "t"}, "user_prompt"),
    ("ComparisonRequest", {"user_prompt": "p", "correlation_id": "no uuid"}, "correlation_id"),
    (
        "ComparisonRequest",
        {"user_prompt": "p", "prompt_blocks": [{"target": "assistant", "content": "c"}]},
        "prompt_blocks",
    ),
    (
        "ComparisonRequest",
        {"user_prompt": "p", "prompt_blocks": [{"target": "system", "content": "c", "ttl": "2h"}]},
        "prompt_blocks",
    ),
    ("AnchorRegistration", {"assignment_id": "a", "grade": "B", "essay_text": "x" * 99}, "essay_text"),
    ("AnchorRegistration", {"assignment_id": "a", "essay_text": _TEXT}, "grade"),
    ("InstructionUpsert", {"instructions_text": "ten letters", "grade_scale": "s"}, ""),
    (
        "InstructionUpsert",
        {"assignment_id": "a", "course_id": "c", "instructions_text": "ten letters", "grade_scale": "s"},
        "",
    ),
    (
        "InstructionUpsert",
        {"assignment_id": "a", "instructions_text": "nine char", "grade_scale": "s"},
        "instructions_text",
    ),
    (
        "InstructionUpsert",
        {"assignment_id": "a", "instructions_text": "ten letters", "grade_scale": "s", "context_origin": "x"},
        "context_origin",
    ),
    ("PipelineRequest", {"batch_id": "", "requested_pipeline": "nlp", "correlation_id": "c"}, "batch_id"),
    (
        "PipelineRequest",
        {"batch_id": "b" * 256, "requested_pipeline": "nlp", "correlation_id": "c"},
        "batch_id",
    ),
    (
        "PipelineRequest",
        {"batch_id": "b", "requested_pipeline": "nlp", "correlation_id": "c" * 101},
        "correlation_id",
    ),
    (
        "PipelineRequest",
        {"batch_id": "b", "requested_pipeline": "nlp", "correlation_id": ""},
        "correlation_id",
    ),
    ("PhaseCompletion", {"batch_id": "b", "phase_name": "grading", "success": True}, "phase_name"),
)
# Answers: payload, the fields that its reader finds.
ANSWERS: Final = (
    ("ComparisonAccepted", "queue_id status message estimated_wait_minutes"),
    ("AssessmentAccepted", "batch_id cj_assessment_job_id"),
    ("ContentStored", "storage_id"),
    ("AnchorView", "anchor_id storage_id grade_scale status"),
    ("AdminAnchors", "anchor_count anchors anchor_count_total anchor_count_by_scale"),
    (
        "InstructionView",
        "id assignment_id course_id instructions_text grade_scale context_origin"
        " student_prompt_storage_id created_at",
    ),
    ("InstructionPage", "items total page page_size"),
    ("Deleted", "status"),
    ("PipelineResolution", "batch_id final_pipeline analysis_summary"),
    ("PlannedPhase", "service_name event_type event_data_model depends_on"),
    ("ErrorBody", "error"),
    (
        "ErrorDetail",
        "error_code message correlation_id timestamp service operation details stack_trace trace_id span_id",
    ),
)
