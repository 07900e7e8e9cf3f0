"""LLM providers: the queue, the vendors' behaviour, the quality of answers, and money."""

from typing import Final

from suite.observability.panels import Board, Query, Row, Unit, lines, number

_SECONDS = "sum by (provider, model, le) (rate(judge_call_seconds_bucket[5m]))"
_CALLS = "sum by (provider, model) (rate(judge_calls_total[30m]))"

LLM_PROVIDERS: Final = Board(
    uid="cj-llm-providers",
    title="LLM providers",
    about="The queue, the vendors' behaviour, the quality of answers, and money.",
    rows=(
        Row(
            title="Queue and limits",
            panels=(
                lines(
                    "Requests in the queue",
                    "By state; delayed ones wait for another call.",
                    Query(
                        expression="max by (provider, state) (judge_queue_requests)",
                        legend="{{provider}} {{state}}",
                    ),
                ),
                lines(
                    "Age of the oldest request",
                    "By state.",
                    Query(
                        expression="max by (provider, state) (judge_queue_oldest_seconds)",
                        legend="{{provider}} {{state}}",
                    ),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Waiting for a vendor's limit",
                    "Share of the time in which a worker had free slots but no allowance.",
                    Query(
                        expression="sum by (provider) (rate(judge_limit_wait_seconds_total[5m]))",
                        legend="{{provider}}",
                    ),
                    unit=Unit.SHARE,
                ),
                lines(
                    "Not called before",
                    "What is left of the vendor's Retry-After.",
                    Query(
                        expression="max by (provider, model) (judge_held_seconds)",
                        legend="{{provider}}/{{model}}",
                    ),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Concurrency",
                    "Calls at a time that the vendor seems to take.",
                    Query(
                        expression="max by (provider, model) (judge_concurrency_limit)",
                        legend="{{provider}}/{{model}}",
                    ),
                ),
                lines(
                    "Circuit breaker",
                    "1: no calls. 0.5: one call tries whether the vendor is back.",
                    Query(
                        expression="max by (provider, model) (judge_breaker_open)",
                        legend="{{provider}}/{{model}}",
                    ),
                ),
            ),
        ),
        Row(
            title="Calls",
            panels=(
                lines(
                    "Calls by outcome",
                    "Per second; anything but answered is an error code.",
                    Query(
                        expression="sum by (provider, model, outcome) (rate(judge_calls_total[5m]))",
                        legend="{{provider}}/{{model}} {{outcome}}",
                    ),
                    unit=Unit.PER_SECOND,
                ),
                lines(
                    "Time of a call",
                    "Median and 95th percentile of live calls.",
                    Query(
                        expression=f"histogram_quantile(0.5, {_SECONDS})",
                        legend="{{provider}}/{{model}} 50 %",
                    ),
                    Query(
                        expression=f"histogram_quantile(0.95, {_SECONDS})",
                        legend="{{provider}}/{{model}} 95 %",
                    ),
                    unit=Unit.SECONDS,
                ),
                lines(
                    "Share of invalid answers",
                    "Answers that do not fit the schema: each is paid for and asked again.",
                    Query(
                        expression=(
                            "sum by (provider, model) (rate(judge_calls_total"
                            f'{{outcome="LLM_INVALID_RESPONSE"}}[30m])) / {_CALLS}'
                        ),
                        legend="{{provider}}/{{model}}",
                    ),
                    unit=Unit.SHARE,
                ),
                lines(
                    "Share of verdicts for the first slot",
                    "Sides are balanced: far from 0.5, the judge prefers a place to an essay.",
                    Query(
                        expression=(
                            'sum by (provider, model) (increase(judge_verdicts_total{slot="a"}[6h])) / '
                            "sum by (provider, model) (increase(judge_verdicts_total[6h]))"
                        ),
                        legend="{{provider}}/{{model}}",
                    ),
                    unit=Unit.SHARE,
                ),
                lines(
                    "Models that retire",
                    "Days until their vendor refuses them.",
                    Query(
                        expression="min by (provider, model) (judge_model_retires_in_days)",
                        legend="{{provider}}/{{model}}",
                    ),
                    unit=Unit.DAYS,
                    width=16,
                ),
            ),
        ),
        Row(
            title="Money",
            panels=(
                lines(
                    "Dollars per hour",
                    "At the rate of the last five minutes.",
                    Query(
                        expression="sum by (provider, model) (rate(judge_cost_usd_total[5m])) * 3600",
                        legend="{{provider}}/{{model}}",
                    ),
                    unit=Unit.DOLLARS,
                ),
                lines(
                    "Dollars per answered comparison",
                    "Of the last hour.",
                    Query(
                        expression=(
                            "sum by (provider, model) (increase(judge_cost_usd_total[1h])) / "
                            'sum by (provider, model) (increase(judge_calls_total{outcome="answered"}[1h]))'
                        ),
                        legend="{{provider}}/{{model}}",
                    ),
                    unit=Unit.DOLLARS,
                ),
                lines(
                    "Tokens per second",
                    "Output tokens cost several times as much as input tokens.",
                    Query(
                        expression="sum by (provider, model, direction) (rate(judge_tokens_total[5m]))",
                        legend="{{provider}}/{{model}} {{direction}}",
                    ),
                ),
                lines(
                    "Spent today and this month",
                    "Compare with LLM_PROVIDER_DAILY_COST_LIMIT_USD and …_MONTHLY_….",
                    Query(
                        expression="max by (provider, period) (judge_spent_usd)",
                        legend="{{provider}} {{period}}",
                    ),
                    Query(expression="max by (period) (judge_spending_limit_usd)", legend="limit {{period}}"),
                    unit=Unit.DOLLARS,
                ),
                number(
                    "Calls without a price, one day",
                    "Their cost is not in any total: add the price to the manifest.",
                    "sum(increase(judge_calls_without_price_total[1d]))",
                ),
                lines(
                    "By the platform's names",
                    "llm_provider_cost_dollars_total, …_http_requests_total and …_circuit_breaker_state.",
                    Query(
                        expression="sum(increase(llm_provider_cost_dollars_total[1h]))",
                        legend="dollars, one hour",
                    ),
                    Query(
                        expression="sum(rate(llm_provider_http_requests_total[5m]))",
                        legend="requests per second",
                    ),
                    Query(expression="max(llm_provider_circuit_breaker_state)", legend="breaker"),
                    width=12,
                ),
            ),
        ),
    ),
)
