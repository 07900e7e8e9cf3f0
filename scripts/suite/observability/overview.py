"""The first dashboard to open: is it healthy, what is stuck, what does it cost."""

from typing import Final

from suite.observability.panels import Board, Query, Row, Unit, lines, number

_ANSWERED = "sum by (service) (rate(http_request_seconds_count[5m]))"

OVERVIEW: Final = Board(
    uid="cj-overview",
    title="Overview",
    about="Is it healthy, what is stuck, what does it cost.",
    rows=(
        Row(
            title="Is it healthy",
            panels=(
                number(
                    "Replicas that answer",
                    "Each service needs one at least.",
                    Query(expression='sum by (service) (up{job="suite"})', legend="{{service}}"),
                    width=6,
                ),
                number(
                    "Longest silence of a worker",
                    "A worker that has not completed a step for a minute makes its service not ready.",
                    Query(expression="max by (service) (worker_silent_seconds)", legend="{{service}}"),
                    unit=Unit.SECONDS,
                    width=6,
                ),
                lines(
                    "Requests",
                    "HTTP requests answered per second.",
                    Query(expression=_ANSWERED, legend="{{service}}"),
                    unit=Unit.PER_SECOND,
                    width=12,
                ),
                lines(
                    "Share of server errors",
                    "Answers with a status of 500 or more. 503 with Retry-After is one of them.",
                    Query(
                        expression=(
                            '(sum by (service) (rate(http_request_seconds_count{status=~"5.."}[5m])) '
                            f"or 0 * {_ANSWERED}) / {_ANSWERED}"
                        ),
                        legend="{{service}}",
                    ),
                    unit=Unit.SHARE,
                ),
                lines(
                    "Time to answer, 95th percentile",
                    "Of all routes together; the boards of the services show single routes.",
                    Query(
                        expression=(
                            "histogram_quantile(0.95, sum by (service, le) (rate(http_request_seconds_bucket[5m])))"
                        ),
                        legend="{{service}}",
                    ),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Event loop lag, 99th percentile",
                    "Above 0.1 s something holds up the whole process.",
                    Query(
                        expression=(
                            "histogram_quantile(0.99, sum by (service, le) (rate(event_loop_lag_seconds_bucket[5m])))"
                        ),
                        legend="{{service}}",
                    ),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Tasks",
                    "Rises and falls with the load; a number that only rises is a leak.",
                    Query(expression="max by (service) (asyncio_tasks)", legend="{{service}}"),
                ),
            ),
        ),
        Row(
            title="What is stuck",
            panels=(
                number("Open batches", "Not ended yet.", "sum(max by (state) (assessment_batches))"),
                number("Past their deadline", "Should be none.", "max(assessment_batches_overdue)"),
                number(
                    "Items set aside",
                    "Failed too often; an operator decides.",
                    "sum(max by (service, worker) (worker_items_currently_set_aside))",
                ),
                number(
                    "Dead letters, one day",
                    "Events that could not be handled.",
                    "sum(increase(events_dead_lettered_total[1d]))",
                ),
                number(
                    "Breakers not closed",
                    "Models that are not called, or only called to test them.",
                    "count(max by (provider, model) (judge_breaker_open) > 0) or vector(0)",
                ),
                number(
                    "Messages given up",
                    "In the outbox, for an operator.",
                    "sum(max by (service, transport) (outbox_given_up_messages))",
                ),
                lines(
                    "Oldest request to a model",
                    "Grows while a vendor is unavailable or its limits are reached.",
                    Query(expression="max by (provider) (judge_queue_oldest_seconds)", legend="{{provider}}"),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Oldest message in an outbox",
                    "Grows while the broker or a receiver is unavailable.",
                    Query(
                        expression="max by (service, transport) (outbox_oldest_seconds)",
                        legend="{{service}} {{transport}}",
                    ),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "What keeps batches from continuing",
                    "Open batches by the code of their problem; each batch's status has it in words.",
                    Query(
                        expression="max by (error_code) (assessment_batch_problems)", legend="{{error_code}}"
                    ),
                ),
            ),
        ),
        Row(
            title="What does it cost",
            panels=(
                number(
                    "Spent today",
                    "US dollars, by UTC day, of all replicas.",
                    'sum(max by (provider) (judge_spent_usd{period="day"}))',
                    unit=Unit.DOLLARS,
                ),
                number(
                    "Spent this month",
                    "US dollars, by UTC month.",
                    'sum(max by (provider) (judge_spent_usd{period="month"}))',
                    unit=Unit.DOLLARS,
                ),
                lines(
                    "Dollars per hour",
                    "At the rate of the last hour.",
                    Query(
                        expression="sum by (provider, model) (rate(judge_cost_usd_total[1h])) * 3600",
                        legend="{{provider}}/{{model}}",
                    ),
                    unit=Unit.DOLLARS,
                ),
                lines(
                    "Tokens per second",
                    "Input and output.",
                    Query(
                        expression="sum by (direction) (rate(judge_tokens_total[5m]))", legend="{{direction}}"
                    ),
                ),
            ),
        ),
    ),
)
