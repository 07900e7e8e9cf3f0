"""The request that starts a batch: what is asked, checked before anything is sent."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Self
from uuid import UUID, uuid4

from event_contracts import (
    ContentType,
    ELS_CJAssessmentRequestV1,
    EssayProcessingInputRefV1,
    EventEnvelope,
    EventName,
    InvalidRequest,
    JsonObject,
    Latency,
    LLMConfigOverrides,
    OutputVerbosity,
    PanelJudge,
    ReasoningEffort,
    SourceService,
    StorageReferenceMetadata,
    StoredText,
    SystemProcessingMetadata,
)
from model_manifest import validate_llm_overrides
from pydantic import TypeAdapter, ValidationError

from batch_runner.assignment.contents import Assignment
from batch_runner.planning.judges import SIMULATED_JUDGE

RequestEnvelope = EventEnvelope[ELS_CJAssessmentRequestV1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of a run; None is the service's default.

    ``batch_uuid`` names the batch everywhere; ``label`` is what people call it.
    """

    batch_uuid: UUID = field(default_factory=uuid4)
    label: str = "run"
    provider: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    reasoning_effort: ReasoningEffort | None = None
    verbosity: OutputVerbosity | None = None
    system_prompt: str | None = None
    max_comparisons: int | None = None
    max_cost_usd: Decimal | None = None
    target_reliability: float | None = None
    relaxed: bool = False
    panel: tuple[PanelJudge, ...] = ()
    user_id: str = "batch-runner"
    org_id: str | None = None

    @property
    def batch_id(self) -> str:
        """The batch's id on the wire."""
        return str(self.batch_uuid)

    def as_json(self) -> JsonObject:
        """The options as they are kept in a run's folder."""
        kept: JsonObject = TypeAdapter(RunOptions).dump_python(self, mode="json")
        return kept

    @classmethod
    def of_json(cls, kept: JsonObject) -> Self:
        """The options that were kept; raises ``ValidationError``."""
        return TypeAdapter(cls).validate_python(kept)

    def overrides(self, assignment: Assignment) -> LLMConfigOverrides:
        """What the judge is told beyond the service's defaults; raises ``InvalidRequest``."""
        try:
            return LLMConfigOverrides(
                provider_override=self.provider,
                model_override=self.model,
                temperature_override=self.temperature,
                max_tokens_override=self.max_tokens,
                reasoning_effort=self.reasoning_effort,
                output_verbosity=self.verbosity,
                system_prompt_override=self.system_prompt or assignment.instructions,
                judge_rubric_override=assignment.rubric,
            )
        except ValidationError as error:
            raise InvalidRequest.of(error) from error

    def check(self, assignment: Assignment) -> None:
        """Raise ``InvalidLlmConfig`` for an override that a judge of the run cannot honour."""
        overrides = self.overrides(assignment)
        if self.panel:
            for judge in self.panel:
                alone = overrides.model_copy(
                    update={"provider_override": judge.provider, "model_override": judge.model}
                )
                validate_llm_overrides(alone, default_provider=judge.provider)
        elif self.provider is not None or self.model is not None:
            validate_llm_overrides(overrides, default_provider=self.provider or SIMULATED_JUDGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTexts:
    """Where the texts of a request are stored, in the order of the assignment's essays."""

    essay_storage_ids: tuple[str, ...]
    prompt_storage_id: str | None


def assessment_request(assignment: Assignment, texts: RequestTexts, options: RunOptions) -> RequestEnvelope:
    """The event that starts the assessment; raises ``InvalidRequest`` for what the contract refuses."""
    try:
        data = _event(assignment, texts, options)
    except ValidationError as error:
        raise InvalidRequest.of(error) from error
    return EventEnvelope.wrap(
        data, source_service=SourceService.BATCH_RUNNER, correlation_id=uuid4(), metadata=_hints(options)
    )


def _event(assignment: Assignment, texts: RequestTexts, options: RunOptions) -> ELS_CJAssessmentRequestV1:
    now = datetime.now(UTC)
    return ELS_CJAssessmentRequestV1(
        event_name=EventName.CJ_ASSESSMENT_REQUESTED,
        entity_id=options.batch_id,
        entity_type="batch",
        timestamp=now,
        system_metadata=SystemProcessingMetadata(
            entity_id=options.batch_id, entity_type="batch", timestamp=now
        ),
        essays_for_cj=tuple(
            EssayProcessingInputRefV1(essay_id=essay.essay_id, text_storage_id=storage_id)
            for essay, storage_id in zip(assignment.essays, texts.essay_storage_ids, strict=True)
        ),
        language=assignment.language,
        course_code=assignment.course_code,
        student_prompt_ref=_prompt_reference(texts),
        llm_config_overrides=options.overrides(assignment),
        assignment_id=assignment.assignment_id,
        user_id=options.user_id,
        org_id=options.org_id,
    )


def _prompt_reference(texts: RequestTexts) -> StorageReferenceMetadata | None:
    if texts.prompt_storage_id is None:
        return None
    stored = StoredText(storage_id=texts.prompt_storage_id)
    return StorageReferenceMetadata(references={ContentType.STUDENT_PROMPT_TEXT: stored})


def _hints(options: RunOptions) -> JsonObject | None:
    hints: JsonObject = {}
    if options.max_comparisons is not None:
        hints["max_comparisons"] = options.max_comparisons
    if options.max_cost_usd is not None:
        hints["max_cost_usd"] = float(options.max_cost_usd)
    if options.target_reliability is not None:
        hints["target_reliability"] = options.target_reliability
    if options.panel:
        hints["judge_panel"] = [judge.model_dump(mode="json") for judge in options.panel]
    if options.relaxed:
        hints["latency"] = Latency.RELAXED
    return hints or None
