"""Every topic, which event it carries, who writes and who reads it, and the names of dead letters."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from event_contracts.assessment import (
    AssessmentResultV1,
    CJAssessmentCompletedV1,
    CJAssessmentFailedV1,
    ELS_CJAssessmentRequestV1,
    ResourceConsumptionV1,
)
from event_contracts.base import WireModel
from event_contracts.comparison_results import LLMComparisonResultV1
from event_contracts.conductor import ELSBatchPhaseOutcomeV1, PhaseSkippedV1, SpellcheckPhaseCompletedV1
from event_contracts.errors import ConfigurationError
from event_contracts.provider_events import (
    LLMCostAlertV1,
    LLMCostTrackingV1,
    LLMProviderFailureV1,
    LLMRequestCompletedV1,
    LLMRequestStartedV1,
)

_DEAD_LETTER_SUFFIX: Final = ".DLQ"


class Topic(StrEnum):
    """Topics of the platform that the suite writes or reads."""

    CJ_ASSESSMENT_REQUESTED = "huleedu.els.cj_assessment.requested.v1"
    LLM_COMPARISON_RESULT = "huleedu.llm_provider.comparison_result.v1"
    CJ_ASSESSMENT_COMPLETED = "huleedu.cj_assessment.completed.v1"
    CJ_ASSESSMENT_FAILED = "huleedu.cj_assessment.failed.v1"
    ASSESSMENT_RESULT_PUBLISHED = "huleedu.assessment.result.published.v1"
    RESOURCE_CONSUMPTION = "huleedu.resource.consumption.v1"
    ELS_BATCH_PHASE_OUTCOME = "huleedu.els.batch.phase.outcome.v1"
    SPELLCHECK_PHASE_COMPLETED = "huleedu.batch.spellcheck.phase.completed.v1"
    PHASE_SKIPPED = "huleedu.batch.phase.skipped.v1"
    LLM_REQUEST_STARTED = "huleedu.llm_provider.request_started.v1"
    LLM_REQUEST_COMPLETED = "huleedu.llm_provider.request_completed.v1"
    LLM_PROVIDER_FAILURE = "huleedu.llm_provider.failure.v1"
    LLM_COST_TRACKING = "huleedu.llm_provider.cost_tracking.v1"
    LLM_COST_ALERT = "huleedu.llm_provider.cost_alert.v1"


class Party(StrEnum):
    """Who writes or reads a topic."""

    ELS = "els"
    BATCH_RUNNER = "batch_runner"
    CJ_ASSESSMENT = "cj_assessment_service"
    LLM_PROVIDER = "llm_provider_service"
    BATCH_CONDUCTOR = "batch_conductor_service"
    SPELLCHECKER = "spellchecker"
    RESULT_AGGREGATOR = "ras"
    ENTITLEMENTS = "entitlements"
    ANALYTICS = "analytics"
    BILLING = "billing"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """One topic: its event and the parties on both sides."""

    topic: Topic
    event: type[WireModel]
    producers: tuple[Party, ...]
    consumers: tuple[Party, ...]


def _spec(
    topic: Topic, event: type[WireModel], producers: tuple[Party, ...], consumers: tuple[Party, ...]
) -> TopicSpec:
    return TopicSpec(topic=topic, event=event, producers=producers, consumers=consumers)


_CJ, _LLM, _BCS = (Party.CJ_ASSESSMENT,), (Party.LLM_PROVIDER,), (Party.BATCH_CONDUCTOR,)

ALL_TOPICS: Final[tuple[TopicSpec, ...]] = (
    _spec(Topic.CJ_ASSESSMENT_REQUESTED, ELS_CJAssessmentRequestV1, (Party.ELS, Party.BATCH_RUNNER), _CJ),
    _spec(Topic.LLM_COMPARISON_RESULT, LLMComparisonResultV1, _LLM, (*_CJ, Party.BATCH_RUNNER)),
    _spec(Topic.CJ_ASSESSMENT_COMPLETED, CJAssessmentCompletedV1, _CJ, (Party.ELS, *_BCS)),
    _spec(Topic.CJ_ASSESSMENT_FAILED, CJAssessmentFailedV1, _CJ, (Party.ELS,)),
    _spec(Topic.ASSESSMENT_RESULT_PUBLISHED, AssessmentResultV1, _CJ, (Party.RESULT_AGGREGATOR,)),
    _spec(Topic.RESOURCE_CONSUMPTION, ResourceConsumptionV1, _CJ, (Party.ENTITLEMENTS,)),
    _spec(Topic.ELS_BATCH_PHASE_OUTCOME, ELSBatchPhaseOutcomeV1, (Party.ELS,), _BCS),
    _spec(Topic.SPELLCHECK_PHASE_COMPLETED, SpellcheckPhaseCompletedV1, (Party.SPELLCHECKER,), _BCS),
    _spec(Topic.PHASE_SKIPPED, PhaseSkippedV1, _BCS, (Party.ELS,)),
    _spec(Topic.LLM_REQUEST_STARTED, LLMRequestStartedV1, _LLM, (Party.ANALYTICS,)),
    _spec(Topic.LLM_REQUEST_COMPLETED, LLMRequestCompletedV1, _LLM, (Party.ANALYTICS,)),
    _spec(Topic.LLM_PROVIDER_FAILURE, LLMProviderFailureV1, _LLM, (Party.ANALYTICS,)),
    _spec(Topic.LLM_COST_TRACKING, LLMCostTrackingV1, _LLM, (Party.BILLING,)),
    _spec(Topic.LLM_COST_ALERT, LLMCostAlertV1, _LLM, (Party.BILLING,)),
)

CALLBACK_TOPICS: Final = frozenset({Topic.LLM_COMPARISON_RESULT})
"""Topics that a caller may name as the place for a comparison's result."""

_TOPIC_BY_EVENT: Final[Mapping[type[WireModel], Topic]] = MappingProxyType(
    {spec.event: spec.topic for spec in ALL_TOPICS}
)
_EVENT_BY_TOPIC: Final[Mapping[str, type[WireModel]]] = MappingProxyType(
    {spec.topic.value: spec.event for spec in ALL_TOPICS}
)


def topic_of(data_type: type[WireModel]) -> Topic:
    """The topic that carries this event; ConfigurationError for a type that is not an event."""
    try:
        return _TOPIC_BY_EVENT[data_type]
    except KeyError:
        raise ConfigurationError(f"{data_type.__name__} has no topic: it is not an event") from None


def event_for(topic: str) -> type[WireModel]:
    """The event that a topic carries; ConfigurationError, naming the topics there are, for an unknown one."""
    try:
        return _EVENT_BY_TOPIC[topic]
    except KeyError:
        raise ConfigurationError(f"unknown topic {topic!r}: the topics are {', '.join(Topic)}") from None


def dead_letter_topic(topic: str) -> str:
    """Where a message of `topic` goes that cannot be parsed or handled."""
    return f"{topic}{_DEAD_LETTER_SUFFIX}"


class DeadLetterHeader(StrEnum):
    """Headers that are added to those of a dead letter."""

    REASON = "dlq-reason"
    ERROR = "dlq-error"
    SERVICE = "dlq-service"
    ORIGINAL_TOPIC = "dlq-original-topic"
    ORIGINAL_PARTITION = "dlq-original-partition"
    ORIGINAL_OFFSET = "dlq-original-offset"
    FAILED_AT = "dlq-failed-at"
