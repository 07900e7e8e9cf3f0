"""Batches: how far they are, how they end, and how good their results are."""

from typing import Final

from suite.observability.panels import Board, Query, Row, Unit, lines, number

BATCHES: Final = Board(
    uid="cj-batches",
    title="CJ batches",
    about="How far batches are, how they end, and how good their results are.",
    rows=(
        Row(
            title="Progress",
            panels=(
                lines(
                    "Open batches",
                    "Accepted: being prepared. Judging: comparisons are asked for.",
                    Query(expression="max by (state) (assessment_batches)", legend="{{state}}"),
                ),
                lines(
                    "Age of the oldest open batch",
                    "Compare it with CJ_ASSESSMENT_BATCH_DEADLINE.",
                    Query(expression="max by (state) (assessment_batch_oldest_seconds)", legend="{{state}}"),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Comparisons of open batches",
                    "Pending: to be asked. Submitted: with the LLM Provider. Failed: given up.",
                    Query(expression="max by (state) (assessment_comparisons)", legend="{{state}}"),
                ),
                lines(
                    "Answers by outcome",
                    "Per second; anything but judged is an error code.",
                    Query(
                        expression="sum by (outcome) (rate(comparison_answers_total[5m]))",
                        legend="{{outcome}}",
                    ),
                    unit=Unit.PER_SECOND,
                ),
                lines(
                    "Results that change nothing",
                    "Repeated ones are harmless. Mismatched ones name another pair or batch than was asked.",
                    Query(
                        expression='sum by (kind) (rate(comparison_results_total{kind!="new"}[5m]))',
                        legend="{{kind}}",
                    ),
                    unit=Unit.PER_SECOND,
                ),
                lines(
                    "Comparisons counted by the platform's name",
                    "huleedu_cj_comparisons_made, which the platform's own dashboards read.",
                    "sum(huleedu_cj_comparisons_made)",
                ),
            ),
        ),
        Row(
            title="Endings of the last 24 hours",
            panels=(
                lines(
                    "Ended batches",
                    "By state and by the reason for which judging stopped.",
                    Query(
                        expression="max by (state, stop_reason) (assessment_batches_ended_last_day)",
                        legend="{{state}}: {{stop_reason}}",
                    ),
                ),
                lines(
                    "Reliability at stop",
                    "EB reliability: a tenth of the batches is below the lowest line.",
                    Query(
                        expression="max by (quantile) (assessment_reliability_at_stop)", legend="{{quantile}}"
                    ),
                ),
                lines(
                    "Position effect of judges",
                    "In logits; sides are balanced, so 0 is a judge without a preference. Look at a judge above 1.",
                    Query(expression="max by (judge) (judge_position_effect_logits)", legend="{{judge}}"),
                ),
                number("Past their deadline", "Should be none.", "max(assessment_batches_overdue)", width=6),
                lines(
                    "Tasks and rubrics that could not be fetched",
                    "Batches wait or continue without them, as their request says.",
                    Query(
                        expression="sum by (reason) (increase(huleedu_cj_prompt_fetch_failures_total[1h]))",
                        legend="{{reason}}",
                    ),
                    width=9,
                ),
                lines(
                    "Operations of administrators",
                    "Instructions, prompts, rubrics and anchors.",
                    Query(
                        expression=(
                            "sum by (operation, status) (increase(cj_admin_instruction_operations_total[1h]))"
                        ),
                        legend="{{operation}}: {{status}}",
                    ),
                    width=9,
                ),
            ),
        ),
        Row(
            title="HTTP",
            panels=(
                lines(
                    "Requests by route",
                    "Per second.",
                    Query(
                        expression=(
                            'sum by (route, method) (rate(http_request_seconds_count{service="cj_assessment"}[5m]))'
                        ),
                        legend="{{method}} {{route}}",
                    ),
                    unit=Unit.PER_SECOND,
                    width=12,
                ),
                lines(
                    "Time to answer by route, 95th percentile",
                    "Waiting for a batch (?wait) is among them.",
                    Query(
                        expression=(
                            "histogram_quantile(0.95, sum by (route, le) "
                            '(rate(http_request_seconds_bucket{service="cj_assessment"}[5m])))'
                        ),
                        legend="{{route}}",
                    ),
                    unit=Unit.SECONDS,
                    width=12,
                ),
                lines(
                    "Answers by status",
                    "By the platform's name, cj_assessment_http_requests_total.",
                    Query(
                        expression="sum by (status_code) (rate(cj_assessment_http_requests_total[5m]))",
                        legend="{{status_code}}",
                    ),
                    unit=Unit.PER_SECOND,
                    width=12,
                ),
            ),
        ),
    ),
)
