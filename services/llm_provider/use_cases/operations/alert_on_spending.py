"""Raise an alert when a provider's spending exceeds a limit, once per day or month."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4

import structlog
from event_contracts import CostAlertType, EventEnvelope, LLMCostAlertV1, usd

from llm_provider.domain.costs.cost import CostLimits
from llm_provider.domain.costs.spending import PeriodCost
from llm_provider.domain.requests.request import SERVICE
from llm_provider.ports import Store

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class AlertOnSpending:
    """Raises alerts provider by provider."""

    store: Store
    limits: CostLimits

    async def take(self) -> Sequence[str]:
        """Providers that have an alert to raise."""
        async with self.store.transaction() as transaction:
            return await transaction.ledger.over_limit(self.limits)

    async def handle(self, providers: Sequence[str]) -> None:
        """Raise the alerts of these providers that were not raised yet."""
        async with self.store.transaction() as transaction:
            costs = await transaction.ledger.period_costs(providers)
            alerts = [alert for cost in costs for alert in _alerts(cost, self.limits)]
            raised = [alert for alert in alerts if await transaction.ledger.claim_alert(alert)]
            # No request caused an alert: each begins a chain of events of its own.
            transaction.outbox.announce(
                [
                    EventEnvelope.wrap(alert, source_service=SERVICE, correlation_id=uuid4())
                    for alert in raised
                ]
            )
        for alert in raised:
            log.warning(
                "cost.alert_raised",
                provider=alert.provider,
                alert_type=alert.alert_type,
                period=alert.period,
                cost_usd=str(alert.current_cost),
                threshold_usd=str(alert.threshold),
            )


def _alerts(cost: PeriodCost, limits: CostLimits) -> Iterator[LLMCostAlertV1]:
    checks = (
        (CostAlertType.DAILY_LIMIT, cost.today_usd, limits.daily, cost.day),
        (CostAlertType.MONTHLY_LIMIT, cost.month_usd, limits.monthly, cost.month),
    )
    for kind, spent, threshold, period in checks:
        if threshold is not None and spent > threshold:
            yield LLMCostAlertV1(
                alert_type=kind,
                provider=cost.provider,
                current_cost=usd(spent),
                threshold=threshold,
                period=period,
            )
