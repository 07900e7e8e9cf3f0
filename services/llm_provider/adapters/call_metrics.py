"""Calls to judges, and the state of the service, for Prometheus."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from event_contracts import ErrorCode, Winner
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from service_kit.telemetry.metrics import BoundedNames

from llm_provider.domain.calls.call import ANSWERED, Call
from llm_provider.domain.costs.cost import CostLimits
from llm_provider.domain.costs.spending import MeterView, PeriodCost
from llm_provider.domain.limits import BreakerState
from llm_provider.domain.requests.request import OPEN_STATES
from llm_provider.ports import RetiringModel, StateCount

_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 90)
_SLOTS: Final = {Winner.ESSAY_A: "a", Winner.ESSAY_B: "b"}
_OPENNESS: Final = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 0.5, BreakerState.OPEN: 1.0}
_PLATFORM_STATES: Final = {BreakerState.CLOSED: 0.0, BreakerState.OPEN: 1.0, BreakerState.HALF_OPEN: 2.0}


class CallMetrics:
    """Implements ``ports.CallWatcher``."""

    def __init__(self, registry: CollectorRegistry, *, providers: Iterable[str]) -> None:
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        names = ("provider", "model")
        self._models = BoundedNames()
        self._shown: set[tuple[str, str]] = set()
        self._calls = counter("judge_calls_total", "Calls to judges.", (*names, "outcome"))
        self._cost = counter("judge_cost_usd_total", "US dollars spent on calls.", names)
        self._platform_cost = counter(
            "llm_provider_cost_dollars_total",
            "US dollars spent on calls, by the name that the platform's dashboards read.",
            names,
        )
        self._unpriced = counter("judge_calls_without_price_total", "Calls without a known price.", names)
        self._tokens = counter("judge_tokens_total", "Tokens of calls.", (*names, "direction"))
        self._seconds = histogram("judge_call_seconds", "Time that live calls took.", names, buckets=_SECONDS)
        self._verdicts = counter(
            "judge_verdicts_total",
            "Verdicts by the slot that has won: a judge without a position effect names both equally often.",
            (*names, "slot"),
        )
        self._waits = counter(
            "judge_limit_wait_seconds_total",
            "Time that workers with free slots rested because a vendor's limit let no request through.",
            ("provider",),
        )
        for provider in providers:
            self._waits.labels(provider)

    def watch_wait(self, provider: str, seconds: float) -> None:
        self._waits.labels(provider).inc(seconds)

    def watch(self, call: Call) -> None:
        labels = (call.provider, self._models.label(call.leased.request.parameters.model))
        self._show(labels)
        self._calls.labels(*labels, call.outcome_code).inc()
        self._cost.labels(*labels).inc(float(call.cost.known_usd))
        self._platform_cost.labels(*labels).inc(float(call.cost.known_usd))
        if not call.cost.is_known:
            self._unpriced.labels(*labels).inc()
        self._tokens.labels(*labels, "input").inc(call.tokens.input)
        self._tokens.labels(*labels, "output").inc(call.tokens.output)
        if call.verdict is not None:
            self._verdicts.labels(*labels, _SLOTS[call.verdict.winner]).inc()
        if not call.in_batch:
            self._seconds.labels(*labels).observe(call.response_time_ms / 1000)

    def _show(self, labels: tuple[str, str]) -> None:
        """Show what may happen to a judge's calls from the first of them on."""
        if labels in self._shown:
            return
        self._shown.add(labels)
        for outcome in (
            ANSWERED,
            ErrorCode.LLM_INVALID_RESPONSE.value,
            ErrorCode.LLM_PROVIDER_RATE_LIMIT.value,
        ):
            self._calls.labels(*labels, outcome)
        for slot in _SLOTS.values():
            self._verdicts.labels(*labels, slot)
        for metric in (self._cost, self._platform_cost, self._unpriced, self._seconds):
            metric.labels(*labels)


class StateMetrics:
    """Implements ``ports.StateWatcher``."""

    def __init__(self, registry: CollectorRegistry, *, providers: Iterable[str]) -> None:
        gauge = partial(Gauge, registry=registry)
        names = ("provider", "model")
        self._providers = tuple(providers)
        self._models = BoundedNames()
        self._oldest = gauge(
            "judge_queue_oldest_seconds",
            "Age of the oldest request that has not ended.",
            ("provider", "state"),
        )
        self._held = gauge(
            "judge_held_seconds",
            "How long a model is not called yet, because its vendor asked for that.",
            names,
        )
        self._spent = gauge(
            "judge_spent_usd",
            "US dollars spent at a provider today and this month (UTC), by all replicas.",
            ("provider", "period"),
        )
        self._spending_limit = gauge(
            "judge_spending_limit_usd",
            "US dollars beyond which an alert is raised; infinite where no limit is set.",
            ("period",),
        )
        self._queue = gauge("judge_queue_requests", "Requests that have not ended.", ("provider", "state"))
        self._breaker = gauge(
            "judge_breaker_open", "1 while no call is made, 0.5 while one call tests the vendor.", names
        )
        self._platform_breaker = gauge(
            "llm_provider_circuit_breaker_state",
            "0 closed, 1 open, 2 half open, by the name that the platform's dashboards read.",
            names,
        )
        self._concurrency = gauge(
            "judge_concurrency_limit", "Concurrent calls that the vendor seems to take.", names
        )
        self._retiring = gauge(
            "judge_model_retires_in_days",
            "Days until the vendor refuses a model, for models that end within a year.",
            names,
        )

    def watch(
        self,
        *,
        counts: Sequence[StateCount],
        meters: Sequence[MeterView],
        retiring: Sequence[RetiringModel],
        now: datetime,
    ) -> None:
        for gauge in (
            self._queue,
            self._oldest,
            self._held,
            self._breaker,
            self._platform_breaker,
            self._concurrency,
            self._retiring,
        ):
            gauge.clear()
        for provider in self._providers:
            for state in OPEN_STATES:
                self._queue.labels(provider, state)
                self._oldest.labels(provider, state)
        for count in counts:
            self._queue.labels(count.provider, count.state).set(count.requests)
            self._oldest.labels(count.provider, count.state).set(count.oldest_seconds)
        for meter in meters:
            labels = (meter.provider, self._models.label(meter.model))
            held = 0.0 if meter.held_until is None else (meter.held_until - now).total_seconds()
            self._breaker.labels(*labels).set(_OPENNESS[meter.breaker])
            self._platform_breaker.labels(*labels).set(_PLATFORM_STATES[meter.breaker])
            self._concurrency.labels(*labels).set(meter.concurrency)
            self._held.labels(*labels).set(max(0.0, held))
        for model in retiring:
            self._retiring.labels(model.provider, model.model).set(model.days_left)

    def watch_spending(self, costs: Sequence[PeriodCost], *, limits: CostLimits) -> None:
        known = {cost.provider: cost for cost in costs}
        for provider in self._providers:
            cost = known.get(provider)
            self._spent.labels(provider, "day").set(0 if cost is None else float(cost.today_usd))
            self._spent.labels(provider, "month").set(0 if cost is None else float(cost.month_usd))
        for period, limit in (("day", limits.daily), ("month", limits.monthly)):
            self._spending_limit.labels(period).set(float("inf") if limit is None else float(limit))
