"""What operators see of pipelines and gates: the platform's metrics by their names there, and ours."""

from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from event_contracts import EventEnvelope, GateVerdict
from prometheus_client import CollectorRegistry, Counter, Histogram

from batch_conductor.domain.gates import GateName, GateResult
from batch_conductor.domain.outcome import PhaseReport
from batch_conductor.domain.pipeline import PipelineRules
from batch_conductor.ports import EventOutcome, ResolutionOutcome

LATENCIES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LAGS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0, 86400.0)


class ConductorMetrics:
    """Implements ``ports.Watcher``; labels are names of the rules, never what a caller made up."""

    def __init__(self, registry: CollectorRegistry, *, rules: PipelineRules) -> None:
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        self._resolutions = counter(
            "huleedu_bcs_pipeline_resolutions",
            "Calls for a pipeline, by outcome.",
            ("requested_pipeline", "outcome"),
        )
        self._resolution_seconds = histogram(
            "huleedu_bcs_pipeline_resolution_duration_seconds",
            "Time to answer a call for a pipeline.",
            ("requested_pipeline",),
            buckets=LATENCIES,
        )
        self._prompt_blocked = counter(
            "huleedu_bcs_prompt_prerequisite_blocked",
            "Calls that were blocked because there is no student prompt.",
            ("pipeline_name",),
        )
        self._blocked = counter(
            "bcs_prerequisite_blocked", "Calls that a gate has blocked.", ("gate", "pipeline_name")
        )
        self._gates = counter("bcs_gate_evaluations", "Gates evaluated, by verdict.", ("gate", "verdict"))
        self._gate_seconds = histogram(
            "bcs_gate_evaluation_seconds", "Time to learn the fact of a gate.", ("gate",), buckets=LATENCIES
        )
        self._events = counter(
            "huleedu_bcs_events_processed",
            "Events about phases, by outcome: recorded, repeated, refused.",
            ("event_type", "outcome"),
        )
        self._lag = histogram(
            "bcs_phase_lag_seconds",
            "Time from the end of a phase, by its sender, until it is on record here.",
            ("phase",),
            buckets=LAGS,
        )
        self._show_every_name(rules)

    def _show_every_name(self, rules: PipelineRules) -> None:
        """Show what can be counted before it happens, as zero."""
        for pipeline in rules.pipelines:
            self._prompt_blocked.labels(pipeline)
            self._resolution_seconds.labels(pipeline)
            for gate in GateName:
                self._blocked.labels(gate, pipeline)
        for gate in GateName:
            self._gate_seconds.labels(gate)
            for verdict in GateVerdict:
                self._gates.labels(gate, verdict)

    def watch_resolution(self, *, pipeline: str, outcome: ResolutionOutcome, seconds: float) -> None:
        self._resolutions.labels(pipeline, outcome).inc()
        self._resolution_seconds.labels(pipeline).observe(seconds)

    def watch_gate(self, result: GateResult, *, seconds: float) -> None:
        self._gates.labels(result.gate, result.verdict).inc()
        self._gate_seconds.labels(result.gate).observe(seconds)

    def watch_block(self, gate: GateName, *, pipeline: str) -> None:
        self._blocked.labels(gate, pipeline).inc()
        if gate == GateName.PROMPT_ATTACHED:
            self._prompt_blocked.labels(pipeline).inc()

    def watch_event(self, event: EventEnvelope[Any], *, outcome: EventOutcome) -> None:
        self._events.labels(event.event_type, outcome).inc()

    def watch_lag(self, report: PhaseReport) -> None:
        seconds = (datetime.now(UTC) - report.reported_at).total_seconds()
        self._lag.labels(report.phase).observe(max(0.0, seconds))
