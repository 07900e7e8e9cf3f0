"""What the platform's contract says, as rows: the order and the words are those of its own tables and lists.

Each row is one fact; `test_event_contracts_platform.py` holds this library to all of them. A row is changed when the
platform changes, and never to make a test pass.
"""

from typing import Any, Final

# Topics: event, topic, who writes it, who reads it.
TOPICS: Final = (
    (
        "ELS_CJAssessmentRequestV1",
        "huleedu.els.cj_assessment.requested.v1",
        "els batch_runner",
        "cj_assessment_service",
    ),
    (
        "LLMComparisonResultV1",
        "huleedu.llm_provider.comparison_result.v1",
        "llm_provider_service",
        "cj_assessment_service batch_runner",
    ),
    (
        "CJAssessmentCompletedV1",
        "huleedu.cj_assessment.completed.v1",
        "cj_assessment_service",
        "els batch_conductor_service",
    ),
    ("CJAssessmentFailedV1", "huleedu.cj_assessment.failed.v1", "cj_assessment_service", "els"),
    ("AssessmentResultV1", "huleedu.assessment.result.published.v1", "cj_assessment_service", "ras"),
    ("ResourceConsumptionV1", "huleedu.resource.consumption.v1", "cj_assessment_service", "entitlements"),
    ("ELSBatchPhaseOutcomeV1", "huleedu.els.batch.phase.outcome.v1", "els", "batch_conductor_service"),
    (
        "SpellcheckPhaseCompletedV1",
        "huleedu.batch.spellcheck.phase.completed.v1",
        "spellchecker",
        "batch_conductor_service",
    ),
    ("PhaseSkippedV1", "huleedu.batch.phase.skipped.v1", "batch_conductor_service", "els"),
    ("LLMRequestStartedV1", "huleedu.llm_provider.request_started.v1", "llm_provider_service", "analytics"),
    (
        "LLMRequestCompletedV1",
        "huleedu.llm_provider.request_completed.v1",
        "llm_provider_service",
        "analytics",
    ),
    ("LLMProviderFailureV1", "huleedu.llm_provider.failure.v1", "llm_provider_service", "analytics"),
    ("LLMCostTrackingV1", "huleedu.llm_provider.cost_tracking.v1", "llm_provider_service", "billing"),
    ("LLMCostAlertV1", "huleedu.llm_provider.cost_alert.v1", "llm_provider_service", "billing"),
)
DEAD_LETTER_SUFFIX: Final = ".DLQ"
DEAD_LETTER_HEADERS: Final = (
    "dlq-reason dlq-error dlq-service dlq-original-topic dlq-original-partition dlq-original-offset"
    " dlq-failed-at"
)
CONSUMER_GROUPS: Final = {
    "cj_assessment": "cj_assessment_consumer_group",
    "batch_conductor": "bcs-event-consumer",
}

# Headers of every message; `traceparent` where the metadata has one.
HEADERS: Final = (
    "event_id event_type correlation_id source_service trace_id schema_version occurred_at content_type"
)
SOURCE_SERVICES: Final = "cj_assessment_service llm_provider_service batch_conductor_service batch_runner"

# Closed vocabularies: everything that may be written, and nothing else.
VOCABULARIES: Final = {
    "Batch status": "awaiting_content_validation content_ingestion_failed awaiting_pipeline_configuration"
    " ready_for_pipeline_execution processing_pipelines awaiting_student_validation student_validation_completed"
    " validation_timeout_processed completed_successfully completed_with_failures failed_critically cancelled",
    "processing_stage": "pending initialized processing completed failed cancelled",
    "ContentType": "original_essay corrected_text processing_log nlp_metrics_json student_facing_ai_feedback_text"
    " ai_editor_revision_text ai_detailed_analysis_json grammar_analysis_json cj_results_json raw_upload_blob"
    " extracted_plaintext student_prompt_text",
    "Course codes": "ENG5 ENG6 ENG7 SV1 SV2 SV3",
    "Providers": "anthropic openai google openrouter mock openai_compatible replay",
    "Phase names": "spellcheck nlp cj_assessment ai_feedback student_matching",
    "failure_type": "timeout rate_limit service_unavailable",
    "alert_type": "daily_limit monthly_limit rate_spike",
    "confidence_label": "HIGH MID LOW",
    "reasoning_effort": "none low medium high",
    "output_verbosity": "low medium high",
    "context_origin": "research_experiment canonical_national",
}
ERROR_CODES: Final = (
    "UNKNOWN_ERROR VALIDATION_ERROR RESOURCE_NOT_FOUND CONFIGURATION_ERROR EXTERNAL_SERVICE_ERROR KAFKA_PUBLISH_ERROR"
    " CONTENT_SERVICE_ERROR CJ_ASSESSMENT_SERVICE_ERROR LLM_PROVIDER_SERVICE_ERROR MISSING_REQUIRED_FIELD"
    " INVALID_CONFIGURATION TIMEOUT CONNECTION_ERROR SERVICE_UNAVAILABLE RATE_LIMIT QUOTA_EXCEEDED"
    " AUTHENTICATION_ERROR AUTHORIZATION_ERROR INVALID_API_KEY INVALID_REQUEST INVALID_RESPONSE PARSING_ERROR"
    " CIRCUIT_BREAKER_OPEN REQUEST_QUEUED PROCESSING_ERROR INITIALIZATION_FAILED"
    " LLM_PROVIDER_UNAVAILABLE LLM_PROVIDER_RATE_LIMIT LLM_PROVIDER_TIMEOUT LLM_PROVIDER_API_ERROR LLM_INVALID_PROMPT"
    " LLM_CONTENT_TOO_LONG LLM_INVALID_CONFIG LLM_QUEUE_FULL LLM_INTERNAL_ERROR LLM_CALLBACK_TOPIC_MISSING"
    " LLM_INVALID_CALLBACK_TOPIC LLM_PARSING_ERROR LLM_INVALID_RESPONSE LLM_COST_LIMIT_EXCEEDED LLM_CONFIGURATION_ERROR"
    " BCS_PIPELINE_DEPENDENCY_RESOLUTION_FAILED BCS_PIPELINE_DEPENDENCY_CYCLE_DETECTED"
    " BCS_PIPELINE_COMPATIBILITY_FAILED"
    " CJ_SCORE_CONVERGENCE_FAILED CJ_COMPARISON_IMBALANCE"
    " EMPTY_CONTENT CONTENT_TOO_SHORT CONTENT_TOO_LONG TEXT_EXTRACTION_FAILED ENCRYPTED_FILE_UNSUPPORTED"
)
LANGUAGES: Final = {"ENG5": "en", "ENG6": "en", "ENG7": "en", "SV1": "sv", "SV2": "sv", "SV3": "sv"}
EVENT_NAMES: Final = {
    "ELS_CJAssessmentRequestV1": "els.cj_assessment.requested",
    "CJAssessmentCompletedV1": "cj_assessment.completed",
    "CJAssessmentFailedV1": "cj_assessment.failed",
    "AssessmentResultV1": "assessment.result.published",
    "ResourceConsumptionV1": "resource.consumption.reported",
}

# Grade scales: id, grades from the lowest, the grade below the lowest, priors.
GRADE_SCALES: Final = (
    ("swedish_8_anchor", "F E D D+ C C+ B A", None, (0.02, 0.08, 0.15, 0.20, 0.25, 0.15, 0.10, 0.05)),
    ("eng5_np_legacy_9_step", "F+ E- E+ D- D+ C- C+ B A", "F", None),
    ("eng5_np_national_9_step", "1 2 3 4 5 6 7 8 9", "0", None),
)
ANCHOR_IDS: Final = (("eng5_np_legacy_9_step", "F+1", "F+"), ("eng5_np_legacy_9_step", "F+2", "F+"))
# Grade of a scale, and what `letter_grade` carries for it: ^([A-F][+-]?|U)$ or the aggregator drops the event.
LETTER_GRADES: Final = (
    ("B", "B"),
    ("E+", "E+"),
    ("F-", "F-"),
    ("7", "U"),
    ("0", "U"),
    ("G", "U"),
    (None, "U"),
)

_BASE: Final = "event_name entity_id entity_type parent_id timestamp"
# What each event says, field by field: everything here is written, whatever its value.
FIELDS: Final = {
    "ELS_CJAssessmentRequestV1": f"{_BASE} system_metadata essays_for_cj language course_code student_prompt_ref"
    " llm_config_overrides assignment_id user_id org_id",
    "CJAssessmentCompletedV1": f"{_BASE} status system_metadata cj_assessment_job_id processing_summary",
    "CJAssessmentFailedV1": f"{_BASE} status system_metadata cj_assessment_job_id",
    "AssessmentResultV1": f"{_BASE} batch_id cj_assessment_job_id assignment_id assessment_method model_used"
    " model_provider model_version essay_results assessment_metadata assessed_at",
    "ResourceConsumptionV1": f"{_BASE} user_id org_id resource_type quantity service_name processing_id consumed_at",
    "LLMComparisonResultV1": "request_id correlation_id winner justification confidence error_detail provider model"
    " response_time_ms token_usage cost_estimate requested_at completed_at trace_id request_metadata",
    "LLMRequestStartedV1": "provider request_type correlation_id user_id metadata",
    "LLMRequestCompletedV1": "provider request_type correlation_id user_id metadata success response_time_ms"
    " error_message token_usage cost_estimate",
    "LLMProviderFailureV1": "provider failure_type correlation_id error_details circuit_breaker_opened",
    "LLMCostTrackingV1": "correlation_id provider model request_type cost_estimate_usd token_usage user_id"
    " organization_id service_name request_timestamp response_time_ms",
    "LLMCostAlertV1": "alert_type provider current_cost threshold period",
    "ELSBatchPhaseOutcomeV1": "batch_id phase_name phase_status processed_essays failed_essay_ids correlation_id",
}
# Parts of events: event, where in its data, the fields there.
PARTS: Final = (
    (
        "CJAssessmentCompletedV1",
        "system_metadata",
        "entity_id entity_type parent_id timestamp processing_stage started_at completed_at event error_info",
    ),
    (
        "CJAssessmentCompletedV1",
        "processing_summary",
        "total_essays successful failed successful_essay_ids failed_essay_ids"
        " processing_time_seconds single_essay_batch",
    ),
    (
        "CJAssessmentFailedV1",
        "system_metadata.error_info",
        "error_code message correlation_id timestamp service operation details",
    ),
    (
        "AssessmentResultV1",
        "essay_results.0",
        "essay_id normalized_score letter_grade confidence_score confidence_label"
        " bt_score rank is_anchor feedback_uri metrics_uri display_name grade",
    ),
    (
        "AssessmentResultV1",
        "assessment_metadata",
        "grade_scale anchor_essays_used anchor_grade_distribution"
        " calibration_method comparison_count processing_duration_seconds llm_temperature course_code reliability"
        " position_bias stop_reason cost_usd grade_projections assignment_id grade_projection_summary",
    ),
    (
        "AssessmentResultV1",
        "assessment_metadata.grade_projections",
        "projections_available primary_grades"
        " confidence_labels confidence_scores grade_probabilities calibration_info bt_stats",
    ),
    ("LLMComparisonResultV1", "token_usage", "prompt_tokens completion_tokens total_tokens"),
    ("ELS_CJAssessmentRequestV1", "essays_for_cj.0", "essay_id text_storage_id spellcheck_metrics"),
    (
        "ELS_CJAssessmentRequestV1",
        "llm_config_overrides",
        "model_override provider_override temperature_override"
        " max_tokens_override system_prompt_override judge_rubric_override reasoning_effort output_verbosity",
    ),
)
ENVELOPE: Final = (
    "event_id event_type event_timestamp source_service schema_version correlation_id data_schema_uri data"
    " metadata"
)

ABSENT: Final = object()
"""Instead of a value: the field is not there."""

# Read leniently. Event, place in the whole message, what a peer writes there, what is read (ABSENT: as written).
READ: Final[tuple[tuple[str, str, Any, Any], ...]] = (
    ("ELS_CJAssessmentRequestV1", "data.entity_type", None, ABSENT),
    ("ELS_CJAssessmentRequestV1", "data.system_metadata.entity_id", None, ABSENT),
    ("ELS_CJAssessmentRequestV1", "data.system_metadata.entity_type", None, ABSENT),
    ("ELS_CJAssessmentRequestV1", "data.system_metadata.processing_stage", "a_stage_of_tomorrow", None),
    ("ELS_CJAssessmentRequestV1", "data.llm_config_overrides.provider_override", "ANTHROPIC", "anthropic"),
    ("ELS_CJAssessmentRequestV1", "data.llm_config_overrides.temperature_override", 0.0, 0.0),
    ("ELS_CJAssessmentRequestV1", "data.llm_config_overrides", None, ABSENT),
    ("ELS_CJAssessmentRequestV1", "data.student_prompt_ref", None, ABSENT),
    ("ELS_CJAssessmentRequestV1", "data.assignment_id", None, ABSENT),
    ("ELS_CJAssessmentRequestV1", "data.org_id", None, ABSENT),
    ("ELS_CJAssessmentRequestV1", "event_type", "ELS_CJAssessmentRequestV1", ABSENT),
    ("ELS_CJAssessmentRequestV1", "metadata", None, ABSENT),
    ("ELS_CJAssessmentRequestV1", "data_schema_uri", None, ABSENT),
    ("LLMComparisonResultV1", "event_type", "LLMComparisonResultV1", ABSENT),
    ("LLMComparisonResultV1", "data.request_metadata", {}, ABSENT),
    ("LLMComparisonResultV1", "data.trace_id", None, ABSENT),
    ("ResourceConsumptionV1", "data.org_id", None, ABSENT),
    ("ResourceConsumptionV1", "data.entity_type", None, ABSENT),
    ("LLMProviderFailureV1", "data.metadata", {"kept": ["when", "read"]}, ABSENT),
    ("LLMCostTrackingV1", "data.metadata", {"kept": ["when", "read"]}, ABSENT),
    ("LLMCostAlertV1", "data.metadata", {"kept": ["when", "read"]}, ABSENT),
)
# Not read: event, place, what is wrong there.
NOT_READ: Final[tuple[tuple[str, str, Any], ...]] = (
    ("ELS_CJAssessmentRequestV1", "event_type", "CJAssessmentFailedV1"),
    ("ELS_CJAssessmentRequestV1", "data.course_code", "ENG8"),
    ("ELS_CJAssessmentRequestV1", "data.assignment_id", "x" * 101),
    ("ELS_CJAssessmentRequestV1", "data.user_id", None),
    ("ELS_CJAssessmentRequestV1", "data.llm_config_overrides.temperature_override", 2.1),
    ("ELS_CJAssessmentRequestV1", "data.llm_config_overrides.temperature_override", -0.1),
    ("ELS_CJAssessmentRequestV1", "data.llm_config_overrides.max_tokens_override", 0),
    ("ELS_CJAssessmentRequestV1", "data.llm_config_overrides.reasoning_effort", "extreme"),
    ("CJAssessmentCompletedV1", "data.status", "processing_pipelines"),
    ("CJAssessmentFailedV1", "data.status", "completed_successfully"),
    ("CJAssessmentFailedV1", "data.system_metadata.error_info", {}),
    ("AssessmentResultV1", "data.essay_results.0.letter_grade", "7"),
    ("AssessmentResultV1", "data.essay_results.0.letter_grade", "B++"),
    ("AssessmentResultV1", "data.essay_results.0.normalized_score", 1.01),
    ("AssessmentResultV1", "data.essay_results.0.confidence_score", -0.01),
    ("AssessmentResultV1", "data.essay_results.0.confidence_label", "SURE"),
    ("AssessmentResultV1", "data.essay_results.0.rank", 0),
    ("AssessmentResultV1", "data.assessment_method", "nlp"),
    ("ResourceConsumptionV1", "data.resource_type", "ai_feedback"),
    ("LLMComparisonResultV1", "data.winner", "Essay C"),
    ("LLMComparisonResultV1", "data.winner", None),
    ("LLMComparisonResultV1", "data.justification", "x" * 501),
    ("LLMComparisonResultV1", "data.justification", None),
    ("LLMComparisonResultV1", "data.confidence", 5.5),
    ("LLMComparisonResultV1", "data.confidence", 0.5),
    ("LLMComparisonResultV1", "data.confidence", None),
    ("LLMComparisonResultV1", "data.response_time_ms", -1),
    ("LLMComparisonResultV1", "data.cost_estimate", -0.01),
    ("LLMProviderFailureV1", "data.failure_type", "bored"),
    ("LLMCostAlertV1", "data.alert_type", "yearly_limit"),
    ("ELSBatchPhaseOutcomeV1", "data.phase_name", "grading"),
)
# Hints of an envelope's metadata: name, a value, a wrong one.
HINTS: Final[tuple[tuple[str, Any, Any], ...]] = (
    ("max_comparisons", 240, 0),
    ("max_cost_usd", 1.25, -1),
    ("target_reliability", 0.9, 7),
    ("callback_url", "https://results.school.example/cj", "ftp://results.school.example"),
)
CACHE_METADATA: Final = "cache_read_input_tokens cache_creation_input_tokens queue_processing_mode"
PROVENANCE: Final = "essay_a_id essay_b_id bos_batch_id prompt_sha256"
