"""Calls to judges, and the state of the service, for Prometheus."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from llm_provider.domain.calls.call import Call
from llm_provider.domain.costs.spending import MeterView
from llm_provider.domain.meters.limits import BreakerState
from llm_provider.ports import RetiringModel, StateCount

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 90)


class CallMetrics:
    """Implements ``ports.CallWatcher``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        names = ("provider", "model")
        self._calls = Counter("judge_calls_total", "Calls to judges.", (*names, "outcome"), registry=registry)
        self._cost = Counter("judge_cost_usd_total", "US dollars spent on calls.", names, registry=registry)
        self._platform_cost = Counter(
            "llm_provider_cost_dollars_total",
            "The same, by the name that the platform's dashboards read.",
            names,
            registry=registry,
        )
        self._unpriced = Counter(
            "judge_calls_without_price_total", "Calls without a known price.", names, registry=registry
        )
        self._tokens = Counter(
            "judge_tokens_total", "Tokens of calls.", (*names, "direction"), registry=registry
        )
        self._seconds = Histogram(
            "judge_call_seconds", "Time that live calls took.", names, registry=registry, buckets=_SECONDS
        )

    def watch(self, call: Call) -> None:
        labels = (call.provider, call.leased.request.parameters.model)
        self._calls.labels(*labels, call.outcome).inc()
        self._cost.labels(*labels).inc(float(call.cost.known_usd))
        self._platform_cost.labels(*labels).inc(float(call.cost.known_usd))
        if not call.cost.is_known:
            self._unpriced.labels(*labels).inc()
        self._tokens.labels(*labels, "input").inc(call.tokens.input)
        self._tokens.labels(*labels, "output").inc(call.tokens.output)
        if not call.in_batch:
            self._seconds.labels(*labels).observe(call.response_time_ms / 1000)


class StateMetrics:
    """Implements ``ports.StateWatcher``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        names = ("provider", "model")
        self._queue = Gauge(
            "judge_queue_requests", "Requests that have not ended.", ("provider", "state"), registry=registry
        )
        self._breaker = Gauge(
            "judge_breaker_open",
            "1 while no call is made, 0.5 while one call tests the vendor.",
            names,
            registry=registry,
        )
        self._platform_breaker = Gauge(
            "llm_provider_circuit_breaker_state",
            "0 closed, 1 open, 2 half open, by the name that the platform's dashboards read.",
            names,
            registry=registry,
        )
        self._concurrency = Gauge(
            "judge_concurrency_limit",
            "Concurrent calls that the vendor seems to take.",
            names,
            registry=registry,
        )
        self._retiring = Gauge(
            "judge_model_retires_in_days",
            "Days until the vendor refuses a model; only of models with 30 days or fewer left.",
            names,
            registry=registry,
        )

    def watch(
        self,
        *,
        counts: Sequence[StateCount],
        meters: Sequence[MeterView],
        retiring: Sequence[RetiringModel],
    ) -> None:
        for gauge in (
            self._queue,
            self._breaker,
            self._platform_breaker,
            self._concurrency,
            self._retiring,
        ):
            gauge.clear()
        for count in counts:
            self._queue.labels(count.provider, count.state).set(count.requests)
        for meter in meters:
            self._breaker.labels(meter.provider, meter.model).set(_OPENNESS[meter.breaker])
            self._platform_breaker.labels(meter.provider, meter.model).set(_PLATFORM_STATES[meter.breaker])
            self._concurrency.labels(meter.provider, meter.model).set(meter.concurrency)
        for model in retiring:
            self._retiring.labels(model.provider, model.model).set(model.days_left)


_OPENNESS = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 0.5, BreakerState.OPEN: 1.0}
_PLATFORM_STATES = {BreakerState.CLOSED: 0.0, BreakerState.OPEN: 1.0, BreakerState.HALF_OPEN: 2.0}
