"""The runner, which is a command and leaves logs, and the gates that its batches go through.

The runner's lines have the label ``service="batch_runner"`` in Loki, as every line has its service and level.
"""

from typing import Final

from suite.observability.panels import Board, Query, Row, Unit, counted_lines, lines, log_lines, number

_STATES = '{service="batch_runner"} |= `runner_validation_state` | json | event=`runner_validation_state`'

RUNNER_AND_GATES: Final = Board(
    uid="cj-runner-gates",
    title="Runner and gates",
    about="What runs have recorded of themselves, and which gates have stopped batches.",
    rows=(
        Row(
            title="Runner",
            panels=(
                log_lines(
                    "Validation states of runs",
                    "What each run's record holds: its manifest, its checksum, its state.",
                    f"{_STATES} | line_format `{{{{.batch_id}}}} {{{{.runner_mode}}}} {{{{.runner_status}}}} "
                    "manifest={{.manifest_entries}} {{.artefact_checksum}}`",
                ),
                counted_lines(
                    "Runs by state",
                    "Per hour.",
                    Query(
                        expression=f"sum by (runner_mode, runner_status) (count_over_time({_STATES} [1h]))",
                        legend="{{runner_mode}} {{runner_status}}",
                    ),
                ),
                number(
                    "Blocked for want of a prompt, one day",
                    "huleedu_bcs_prompt_prerequisite_blocked_total.",
                    "sum(increase(huleedu_bcs_prompt_prerequisite_blocked_total[1d]))",
                    width=12,
                ),
            ),
        ),
        Row(
            title="Gates",
            panels=(
                lines(
                    "Blocked for want of a prompt",
                    "Calls per hour, by pipeline.",
                    Query(
                        expression=(
                            "sum by (pipeline_name) (increase(huleedu_bcs_prompt_prerequisite_blocked_total[1h]))"
                        ),
                        legend="{{pipeline_name}}",
                    ),
                ),
                lines(
                    "Blocked by a gate",
                    "Calls per hour.",
                    Query(
                        expression="sum by (gate, pipeline_name) (increase(bcs_prerequisite_blocked_total[1h]))",
                        legend="{{gate}} {{pipeline_name}}",
                    ),
                ),
                lines(
                    "Gates by verdict",
                    "Per hour; not evaluated: the service that knows the fact is unavailable.",
                    Query(
                        expression="sum by (gate, verdict) (increase(bcs_gate_evaluations_total[1h]))",
                        legend="{{gate}} {{verdict}}",
                    ),
                ),
                lines(
                    "Time to learn a fact, 95th percentile",
                    "Of other services.",
                    Query(
                        expression=(
                            "histogram_quantile(0.95, sum by (gate, le) (rate(bcs_gate_evaluation_seconds_bucket[5m])))"
                        ),
                        legend="{{gate}}",
                    ),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Pipelines by outcome",
                    "Calls per hour.",
                    Query(
                        expression=(
                            "sum by (requested_pipeline, outcome) "
                            "(increase(huleedu_bcs_pipeline_resolutions_total[1h]))"
                        ),
                        legend="{{requested_pipeline}} {{outcome}}",
                    ),
                ),
                lines(
                    "Time to define a pipeline, 95th percentile",
                    "Without the network.",
                    Query(
                        expression=(
                            "histogram_quantile(0.95, sum by (requested_pipeline, le) "
                            "(rate(huleedu_bcs_pipeline_resolution_duration_seconds_bucket[5m])))"
                        ),
                        legend="{{requested_pipeline}}",
                    ),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Events about phases",
                    "Per hour, by outcome.",
                    Query(
                        expression=(
                            "sum by (event_type, outcome) (increase(huleedu_bcs_events_processed_total[1h]))"
                        ),
                        legend="{{event_type}} {{outcome}}",
                    ),
                ),
                lines(
                    "From the end of a phase to its record, 95th percentile",
                    "By the sender's clock.",
                    Query(
                        expression=(
                            "histogram_quantile(0.95, sum by (phase, le) (rate(bcs_phase_lag_seconds_bucket[5m])))"
                        ),
                        legend="{{phase}}",
                    ),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Requests by status",
                    "bcs_http_requests_total.",
                    Query(
                        expression="sum by (status_code) (rate(bcs_http_requests_total[5m]))",
                        legend="{{status_code}}",
                    ),
                    unit=Unit.PER_SECOND,
                ),
            ),
        ),
    ),
)
