"""Counts results of comparisons for Prometheus."""

from prometheus_client import CollectorRegistry, Counter

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

    def watch(self, recorded: Recorded) -> None:
        kinds = {
            "new": recorded.new - recorded.late,
            "repeated": recorded.repeated,
            "unknown_request": recorded.unknown,
            "mismatched": recorded.mismatched,
            "batch_over": recorded.late,
        }
        for kind, count in kinds.items():
            self._results.labels(kind).inc(count)
