"""Raise an alert when a provider's spending goes beyond a limit, once in each day or month."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import structlog
from event_contracts import CostAlertType, EventEnvelope, LLMCostAlertV1, usd

from llm_provider.domain.money import CostLimits
from llm_provider.domain.request import SERVICE
from llm_provider.domain.spending import PeriodCost
from llm_provider.ports import Store

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class AlertOnSpending:
    """One step of the watching worker."""

    store: Store
    limits: CostLimits

    async def __call__(self) -> bool:
        """Look at the books; there is never more to do at once."""
        async with self.store.transaction() as transaction:
            costs = await transaction.books.period_costs()
            alerts = [alert for cost in costs for alert in _alerts(cost, self.limits)]
            raised = [alert for alert in alerts if await transaction.books.claim_alert(alert)]
            transaction.outbox.announce([_event(alert) for alert in raised])
        for alert in raised:
            log.warning(
                "cost.alert",
                provider=alert.provider,
                alert_type=alert.alert_type,
                period=alert.period,
                cost_usd=str(alert.current_cost),
                threshold_usd=str(alert.threshold),
            )
        return False


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


def _event(alert: LLMCostAlertV1) -> EventEnvelope[LLMCostAlertV1]:
    # An alert stands in no chain of events that somebody asked for: it begins one.
    return EventEnvelope.wrap(alert, source_service=SERVICE, correlation_id=uuid4())
