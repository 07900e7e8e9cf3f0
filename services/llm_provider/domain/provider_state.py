"""The state of a provider in one word and one sentence, for operators and for callers that wait."""

from collections.abc import Sequence
from enum import StrEnum

from llm_provider.domain.costs.spending import MeterView, PauseView
from llm_provider.domain.limits import BreakerState


class ProviderState(StrEnum):
    """Whether a provider is called, and if not, why."""

    READY = "ready"
    NOT_CONFIGURED = "not_configured"
    PAUSED = "paused"
    FAILING = "failing"
    RATE_LIMITED = "rate_limited"


def provider_state(
    *, is_configured: bool, needs: str, pause: PauseView | None, meters: Sequence[MeterView]
) -> tuple[ProviderState, str]:
    """The state, and a sentence that says what it means and what to do."""
    if not is_configured:
        return ProviderState.NOT_CONFIGURED, f"no account is set up here: {needs or 'see the settings'}"
    if pause is not None:
        return ProviderState.PAUSED, f"paused by {pause.paused_by}: {pause.reason}"
    for meter in meters:
        if meter.breaker is not BreakerState.CLOSED:
            return ProviderState.FAILING, f"{meter.model}: {meter.last_error_message or 'every call fails'}"
    for meter in meters:
        if meter.held_until is not None:
            return ProviderState.RATE_LIMITED, f"{meter.model} is held until {meter.held_until.isoformat()}"
    return ProviderState.READY, "called as fast as its limits allow"
