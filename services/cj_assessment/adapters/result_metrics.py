"""Counts results of comparisons, and prompts that cannot be fetched, for Prometheus."""

from collections.abc import Iterable
from typing import Final

from event_contracts import ErrorCode
from prometheus_client import CollectorRegistry, Counter, Gauge
from service_kit.telemetry.metrics import OTHER

from cj_assessment.ports import Recorded

JUDGED: Final = "judged"
_CODES: Final = frozenset(map(str, ErrorCode))
_KINDS: Final = ("new", "repeated", "unknown_request", "mismatched", "batch_over")


class ResultMetrics:
    """Implements ``ports.ResultWatcher``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._results = Counter(
            "comparison_results_total",
            "Results of comparisons: new ones, and those that change nothing.",
            ("kind",),
            registry=registry,
        )
        for kind in _KINDS:
            self._results.labels(kind)
        self._answers = Counter(
            "comparison_answers_total",
            "Answers to comparisons by outcome: judged, or the error's code.",
            ("outcome",),
            registry=registry,
        )
        for outcome in (JUDGED, ErrorCode.LLM_INVALID_RESPONSE.value):
            self._answers.labels(outcome)
        self._made = Gauge(
            "huleedu_cj_comparisons_made",
            "Comparisons answered since the start, by the name that the platform's dashboards read.",
            registry=registry,
        )

    def watch(self, recorded: Recorded, *, error_codes: Iterable[str | None]) -> None:
        for code in error_codes:
            self._answers.labels(JUDGED if code is None else code if code in _CODES else OTHER).inc()
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
            "Tasks and rubrics of batches that could not be fetched, by error code.",
            ("reason",),
            registry=registry,
        )
        for reason in (ErrorCode.CONTENT_SERVICE_ERROR, ErrorCode.RESOURCE_NOT_FOUND):
            self._failures.labels(reason.value)

    def prompt_unavailable(self, reason: str) -> None:
        self._failures.labels(reason).inc()
