"""The state of batches and the quality of their results, for Prometheus: derived from rows, never counted.

Every replica shows the same: queries take the maximum over replicas, not the sum.
"""

from collections.abc import Iterable
from typing import Any, Final

from event_contracts import FINAL_STATES, AssessmentState, ComparisonState, ErrorCode, StopReason
from prometheus_client import CollectorRegistry, Gauge
from service_kit.housekeeping import MEASURING_SECONDS
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import OTHER, BoundedNames
from service_kit.work.worker import Worker
from sqlalchemy import Row

from cj_assessment.adapters.postgres import measuring_sql as sql
from cj_assessment.ports.worker_names import MEASURE

QUALITY_INTERVAL: Final = 4
"""The quality of results is measured in every fourth cycle."""

OPEN_STATES: Final = tuple(state for state in AssessmentState if state not in FINAL_STATES)
ENDED_STATES: Final = tuple(state for state in AssessmentState if state in FINAL_STATES)
COMPARISON_STATES: Final = tuple(state for state in ComparisonState if state is not ComparisonState.ABANDONED)
"""Those of batches that have not ended; a comparison is abandoned when its batch ends."""
QUANTILES: Final = (0.1, 0.5, 0.9)
_KNOWN_CODES: Final = frozenset(map(str, ErrorCode))


class BatchMetrics:
    """Measures every 15 seconds."""

    def __init__(self, registry: CollectorRegistry, *, database: Database) -> None:
        self._database = database
        self._judges = BoundedNames()
        self._turn = 0
        self._batches = Gauge(
            "assessment_batches", "Batches that have not ended.", ("state",), registry=registry
        )
        self._oldest = Gauge(
            "assessment_batch_oldest_seconds",
            "Age of the oldest batch that has not ended.",
            ("state",),
            registry=registry,
        )
        self._overdue = Gauge(
            "assessment_batches_overdue", "Batches that have not ended by their deadline.", registry=registry
        )
        self._problems = Gauge(
            "assessment_batch_problems",
            "Batches that a problem keeps waiting, by error code; NONE is always there.",
            ("error_code",),
            registry=registry,
        )
        self._comparisons = Gauge(
            "assessment_comparisons",
            "Comparisons of batches that have not ended, by outcome.",
            ("state",),
            registry=registry,
        )
        self._ended = Gauge(
            "assessment_batches_ended_last_day",
            "Batches that have ended within the last 24 hours.",
            ("state", "stop_reason"),
            registry=registry,
        )
        self._reliability = Gauge(
            "assessment_reliability_at_stop",
            "EB reliability of the batches that ended within the last 24 hours; NaN where there is none.",
            ("quantile",),
            registry=registry,
        )
        self._position = Gauge(
            "judge_position_effect_logits",
            "How much a judge preferred the first slot within the last 24 hours, weighted by comparisons.",
            ("judge",),
            registry=registry,
        )

    def worker(self) -> Worker:
        """The loop that measures."""
        return Worker(name=MEASURE, step=self.measure, max_rest_seconds=MEASURING_SECONDS)

    async def measure(self) -> None:
        """Replace what was shown before; every name of a fixed set is shown, with zero where there is nothing."""
        async with self._database.transaction() as connection:
            batches = (await connection.execute(sql.OPEN_BATCHES)).all()
            problems = (await connection.execute(sql.PROBLEMS)).all()
            comparisons = (await connection.execute(sql.OPEN_COMPARISONS)).all()
            is_due = self._turn % QUALITY_INTERVAL == 0
            if is_due:
                self._show_ended((await connection.execute(sql.ENDED)).all())
                reliability = (
                    await connection.execute(sql.RELIABILITY, {"quantiles": list(QUANTILES)})
                ).scalar()
                positions = (await connection.execute(sql.POSITION_EFFECTS)).all()
                self._show_quality(reliability, positions)
        self._turn += 1
        self._show_open(batches, comparisons)
        self._show_problems(problems)

    def _show_open(self, batches: Iterable[Row[Any]], comparisons: Iterable[Row[Any]]) -> None:
        by_state = {row.state: row for row in batches}
        for state in OPEN_STATES:
            row = by_state.get(state)
            self._batches.labels(state).set(0 if row is None else row.batches)
            self._oldest.labels(state).set(0 if row is None else float(row.oldest_seconds))
        self._overdue.set(sum(row.overdue for row in by_state.values()))
        counts = {row.state: row.comparisons for row in comparisons}
        for of_comparisons in COMPARISON_STATES:
            self._comparisons.labels(of_comparisons).set(counts.get(of_comparisons, 0))

    def _show_problems(self, problems: Iterable[Row[Any]]) -> None:
        counts: dict[str, int] = {"NONE": 0}
        for row in problems:
            code = row.error_code if row.error_code in _KNOWN_CODES else OTHER
            counts[code] = counts.get(code, 0) + row.batches
        self._problems.clear()
        for code, number in counts.items():
            self._problems.labels(code).set(number)

    def _show_ended(self, ended: Iterable[Row[Any]]) -> None:
        self._ended.clear()
        for state in ENDED_STATES:
            self._ended.labels(state, _USUAL_REASONS[state]).set(0)
        for row in ended:
            self._ended.labels(row.state, row.stop_reason).set(row.batches)

    def _show_quality(self, reliability: list[float] | None, positions: Iterable[Row[Any]]) -> None:
        for quantile, value in zip(QUANTILES, reliability or [float("nan")] * len(QUANTILES), strict=True):
            self._reliability.labels(str(quantile)).set(value)
        self._position.clear()
        for row in positions:
            self._position.labels(self._judges.label(row.judge)).set(row.effect)


_USUAL_REASONS: Final = {
    "completed": StopReason.TARGET_REACHED.value,
    "completed_with_failures": StopReason.BUDGET_COMPARISONS.value,
    "failed": StopReason.FAILED.value,
    "cancelled": StopReason.CANCELLED.value,
}
