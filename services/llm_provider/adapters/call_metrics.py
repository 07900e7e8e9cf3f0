"""Counts calls to judges for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from llm_provider.domain.request import Call


class CallMetrics:
    """Implements ``ports.CallWatcher``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        names = ("provider", "model")
        self._calls = Counter("judge_calls_total", "Calls to judges.", (*names, "outcome"), registry=registry)
        self._cost = Counter("judge_cost_usd_total", "US dollars spent on calls.", names, registry=registry)
        self._tokens = Counter(
            "judge_tokens_total", "Tokens of calls.", (*names, "direction"), registry=registry
        )
        self._seconds = Histogram("judge_call_seconds", "Time that calls took.", names, registry=registry)

    def watch(self, call: Call) -> None:
        labels = (call.request.parameters.provider, call.request.parameters.model)
        self._calls.labels(*labels, "answered" if call.error is None else call.error.code).inc()
        self._cost.labels(*labels).inc(float(call.cost_usd))
        self._tokens.labels(*labels, "input").inc(call.usage.input)
        self._tokens.labels(*labels, "output").inc(call.usage.output)
        self._seconds.labels(*labels).observe(call.response_time_ms / 1000)
