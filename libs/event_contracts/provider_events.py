"""Events about calls to providers: that they began and ended, failed, what they cost."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field

from event_contracts.base import WireModel
from event_contracts.comparison_results import TokenUsage
from event_contracts.fields import Count, Flag, JsonObject, Money, Name, Text, UtcDatetime


class LLMRequestStartedV1(WireModel):
    """A call to a provider began."""

    provider: Name
    request_type: Literal["comparison"] = "comparison"
    correlation_id: UUID
    user_id: Name | None = None
    metadata: JsonObject = Field(default_factory=dict)


class LLMRequestCompletedV1(LLMRequestStartedV1):
    """A call to a provider ended, well or not."""

    success: Flag
    response_time_ms: Count
    error_message: Text | None = None
    token_usage: TokenUsage | None = None
    cost_estimate: Money | None = None


class ProviderFailureType(StrEnum):
    """How a provider failed."""

    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    SERVICE_UNAVAILABLE = "service_unavailable"


class LLMProviderFailureV1(WireModel):
    """A provider did not do its work."""

    provider: Name
    failure_type: ProviderFailureType
    correlation_id: UUID
    error_details: Text
    circuit_breaker_opened: Flag = False
    metadata: JsonObject = Field(default_factory=dict)


class LLMCostTrackingV1(WireModel):
    """What one call cost, and whom to bill."""

    correlation_id: UUID
    provider: Name
    model: Name
    request_type: Literal["comparison"] = "comparison"
    cost_estimate_usd: Money
    token_usage: TokenUsage
    user_id: Name | None = None
    organization_id: Name | None = None
    service_name: Name
    request_timestamp: UtcDatetime
    response_time_ms: Count
    metadata: JsonObject = Field(default_factory=dict)


class CostAlertType(StrEnum):
    """Which limit was reached."""

    DAILY_LIMIT = "daily_limit"
    MONTHLY_LIMIT = "monthly_limit"
    RATE_SPIKE = "rate_spike"


class LLMCostAlertV1(WireModel):
    """Spending reached a limit."""

    alert_type: CostAlertType
    provider: Name
    current_cost: Money
    threshold: Money
    period: Name
    metadata: JsonObject = Field(default_factory=dict)
