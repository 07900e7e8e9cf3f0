"""Totals of calls and costs, and the views of a provider that are made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from llm_provider.domain.limits import BreakerState


class CostGroup(StrEnum):
    """What totals are grouped by."""

    PROVIDER = "provider"
    MODEL = "model"
    USER = "user_id"
    BATCH = "batch_id"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostQuery:
    """Which calls to sum up; days are UTC, both included."""

    by: CostGroup
    provider: str | None = None
    user_id: str | None = None
    batch_id: str | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Calls and what they cost; ``unpriced_calls`` have an unknown cost."""

    group: str
    calls: int
    answered: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodCost:
    """What was spent at a provider today and this month (UTC), and what these periods are called."""

    provider: str
    day: str
    month: str
    today_usd: Decimal
    month_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterView:
    """How one model may be called now, with this installation's key.

    ``failing_since``: the vendor has failed every call since then; ``last_error_…`` is the last of them.
    """

    provider: str
    model: str
    requests_per_minute: float | None
    input_tokens_per_minute: float | None
    output_tokens_per_minute: float | None
    tokens_per_minute: float | None
    concurrency: int
    breaker: BreakerState
    held_until: datetime | None
    failing_since: datetime | None = None
    last_error_code: str | None = None
    last_error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseView:
    """Who paused a provider, when and why."""

    provider: str
    paused_at: datetime
    paused_by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStatus:
    """One provider; ``needs``: what to set if it is not configured; ``today`` (UTC) is None without calls."""

    provider: str
    is_configured: bool
    needs: str
    pause: PauseView | None
    meters: Sequence[MeterView]
    today: Total | None
