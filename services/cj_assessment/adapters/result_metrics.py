"""Counts results of comparisons, and prompts that cannot be had, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from cj_assessment.ports import Recorded


class ResultMetrics:
    """Implements ``ports.ResultWatcher``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._results = Counter(
            "comparison_results_total",
            "Results of comparisons: new ones, and those that change nothing.",
            ("kind",),
            registry=registry,
        )
        self._made = Gauge(
            "huleedu_cj_comparisons_made",
            "Comparisons answered since the start, by the name that the platform's dashboards read.",
            registry=registry,
        )

    def watch(self, recorded: Recorded) -> None:
        kinds = {
            "new": recorded.new - recorded.late,
            "repeated": recorded.repeated,
            "unknown_request": recorded.unknown,
            "mismatched": recorded.mismatched,
            "batch_over": recorded.late,
        }
        self._made.inc(kinds["new"])
        for kind, count in kinds.items():
            self._results.labels(kind).inc(count)


class PromptMetrics:
    """Implements ``ports.PromptWatcher``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._failures = Counter(
            "huleedu_cj_prompt_fetch_failures_total",
            "Tasks and rubrics of batches that could not be had, by error code.",
            ("reason",),
            registry=registry,
        )

    def prompt_not_had(self, reason: str) -> None:
        self._failures.labels(reason).inc()
