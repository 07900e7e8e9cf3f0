"""Alerts as data: when each fires, what it says, and the fault that makes it fire in its test."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["page", "ticket"]

RUNBOOK: Final = "documentation/operations/alerts.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. ``fault`` and ``quiet`` are series by their values, one per minute, in promtool's notation.

    With ``fault`` it fires at ``fires_at``, and with ``quiet`` it does not. ``page`` is for what people should be
    woken for: nothing continues without them.
    """

    name: str
    expression: str
    wait: str
    severity: Severity
    summary: str
    fault: Mapping[str, str]
    quiet: Mapping[str, str]
    fires_at: str

    @property
    def anchor(self) -> str:
        """The section of the runbook about it."""
        return self.name.lower()


_SERVICE: Final = 'service="cj_assessment"'
_OUTBOX: Final = f'{_SERVICE},transport="bus"'
_JUDGE: Final = 'provider="anthropic",model="claude-sonnet-4-5"'
_LIMIT: Final = 'judge_spending_limit_usd{period="day"}'
_SPENT: Final = 'judge_spent_usd{provider="anthropic",period="day"}'
_COST: Final = f"judge_cost_usd_total{{{_JUDGE}}}"

ALERTS: Final = (
    Alert(
        name="ServiceDown",
        expression='sum by (service) (up{job="suite"}) == 0',
        wait="2m",
        severity="page",
        summary="No replica of {{ $labels.service }} answers.",
        fault={f'up{{job="suite",{_SERVICE}}}': "0x10"},
        quiet={f'up{{job="suite",{_SERVICE}}}': "1x10"},
        fires_at="3m",
    ),
    Alert(
        name="WorkerStalled",
        expression="max by (service, worker) (worker_silent_seconds) > 120",
        wait="2m",
        severity="page",
        summary="Worker {{ $labels.worker }} of {{ $labels.service }} has completed no step for two minutes.",
        fault={f'worker_silent_seconds{{{_SERVICE},worker="submit"}}': "0+60x20"},
        quiet={f'worker_silent_seconds{{{_SERVICE},worker="submit"}}': "5x20"},
        fires_at="8m",
    ),
    Alert(
        name="BatchOverdue",
        expression="max(assessment_batches_overdue) > 0",
        wait="10m",
        severity="page",
        summary="{{ $value }} batches are past their deadline and have not ended.",
        fault={f"assessment_batches_overdue{{{_SERVICE}}}": "0x2 1x20"},
        quiet={f"assessment_batches_overdue{{{_SERVICE}}}": "0x2 1x3 0x20"},
        fires_at="15m",
    ),
    Alert(
        name="OutboxStuck",
        expression="max by (service, transport) (outbox_oldest_seconds) > 300",
        wait="2m",
        severity="page",
        summary="A {{ $labels.transport }} message of {{ $labels.service }} has waited for five minutes.",
        fault={f"outbox_oldest_seconds{{{_OUTBOX}}}": "0+60x20"},
        quiet={f"outbox_oldest_seconds{{{_OUTBOX}}}": "30x20"},
        fires_at="10m",
    ),
    Alert(
        name="MessagesGivenUp",
        expression="max by (service, transport) (outbox_given_up_messages) > 0",
        wait="1m",
        severity="ticket",
        summary="{{ $value }} messages of {{ $labels.service }} were given up.",
        fault={f"outbox_given_up_messages{{{_OUTBOX}}}": "0x2 3x10"},
        quiet={f"outbox_given_up_messages{{{_OUTBOX}}}": "0x12"},
        fires_at="5m",
    ),
    Alert(
        name="ConsumerStuck",
        expression="max by (service, group) (event_consumer_silent_seconds) > 120",
        wait="1m",
        severity="page",
        summary="Consumer {{ $labels.group }} has not polled for two minutes.",
        fault={f'event_consumer_silent_seconds{{{_SERVICE},group="g"}}': "0+60x20"},
        quiet={f'event_consumer_silent_seconds{{{_SERVICE},group="g"}}': "0.3x20"},
        fires_at="6m",
    ),
    Alert(
        name="ConsumerBehind",
        expression=(
            "sum by (service, group) (event_consumer_lag_messages) > 1000 and "
            "sum by (service, group) (deriv(event_consumer_lag_messages[10m])) >= 0"
        ),
        wait="10m",
        severity="ticket",
        summary="{{ $labels.group }} is {{ $value }} messages behind and does not catch up.",
        fault={f'event_consumer_lag_messages{{{_SERVICE},group="g"}}': "0+500x40"},
        quiet={f'event_consumer_lag_messages{{{_SERVICE},group="g"}}': "9000-300x30 0x10"},
        fires_at="20m",
    ),
    Alert(
        name="DeadLetters",
        expression="sum by (service, topic, reason) (increase(events_dead_lettered_total[1h])) > 0",
        wait="0m",
        severity="ticket",
        summary="Events of {{ $labels.topic }} could not be handled ({{ $labels.reason }}).",
        fault={f'events_dead_lettered_total{{{_SERVICE},topic="t",reason="malformed"}}': "0x5 1x10"},
        quiet={f'events_dead_lettered_total{{{_SERVICE},topic="t",reason="malformed"}}': "4x15"},
        fires_at="8m",
    ),
    Alert(
        name="BreakerOpen",
        expression="max by (provider, model) (judge_breaker_open) > 0",
        wait="5m",
        severity="page",
        summary="{{ $labels.provider }} fails every call of {{ $labels.model }}.",
        fault={f"judge_breaker_open{{{_JUDGE}}}": "0x1 1x2 0.5x1 1x20"},
        quiet={f"judge_breaker_open{{{_JUDGE}}}": "0x1 1x2 0x20"},
        fires_at="10m",
    ),
    Alert(
        name="BudgetRate",
        expression=(
            'max by (provider) (judge_spent_usd{period="day"}) + sum by (provider) (rate(judge_cost_usd_total[1h])) '
            '* (86400 - time() % 86400) > scalar(min(judge_spending_limit_usd{period="day"}))'
        ),
        wait="10m",
        severity="ticket",
        summary="{{ $labels.provider }} will have cost {{ $value }} dollars today, more than the daily limit.",
        fault={_LIMIT: "20x60", _SPENT: "0+0.1x60", _COST: "0+0.1x60"},
        quiet={_LIMIT: "20x60", _SPENT: "0+0.01x60", _COST: "0+0.01x60"},
        fires_at="40m",
    ),
    Alert(
        name="InvalidAnswers",
        expression=(
            'sum by (provider, model) (increase(judge_calls_total{outcome="LLM_INVALID_RESPONSE"}[30m])) / '
            "sum by (provider, model) (increase(judge_calls_total[30m])) > 0.05 and "
            "sum by (provider, model) (increase(judge_calls_total[30m])) > 20"
        ),
        wait="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the answers of {{ $labels.model }} do not fit the schema.",
        fault={
            f'judge_calls_total{{{_JUDGE},outcome="answered"}}': "0+10x60",
            f'judge_calls_total{{{_JUDGE},outcome="LLM_INVALID_RESPONSE"}}': "0+1x60",
        },
        quiet={
            f'judge_calls_total{{{_JUDGE},outcome="answered"}}': "0+100x60",
            f'judge_calls_total{{{_JUDGE},outcome="LLM_INVALID_RESPONSE"}}': "0+1x60",
        },
        fires_at="40m",
    ),
    Alert(
        name="PositionEffect",
        expression=(
            'abs(ln(sum by (provider, model) (increase(judge_verdicts_total{slot="a"}[6h])) / '
            'sum by (provider, model) (increase(judge_verdicts_total{slot="b"}[6h])))) > 1 and '
            "sum by (provider, model) (increase(judge_verdicts_total[6h])) > 200"
        ),
        wait="30m",
        severity="ticket",
        summary="{{ $labels.provider }}/{{ $labels.model }} prefers a place to an essay ({{ $value }} logits).",
        fault={
            f'judge_verdicts_total{{{_JUDGE},slot="a"}}': "0+8x120",
            f'judge_verdicts_total{{{_JUDGE},slot="b"}}': "0+2x120",
        },
        quiet={
            f'judge_verdicts_total{{{_JUDGE},slot="a"}}': "0+6x120",
            f'judge_verdicts_total{{{_JUDGE},slot="b"}}': "0+4x120",
        },
        fires_at="100m",
    ),
    Alert(
        name="ModelRetiring",
        expression=(
            "min by (provider, model) (judge_model_retires_in_days) < 30 and "
            "sum by (provider, model) (increase(judge_calls_total[1d])) > 0"
        ),
        wait="0m",
        severity="ticket",
        summary="{{ $labels.provider }} retires {{ $labels.model }}, which is in use, in {{ $value }} days.",
        fault={
            f"judge_model_retires_in_days{{{_JUDGE}}}": "12x10",
            f'judge_calls_total{{{_JUDGE},outcome="answered"}}': "0+1x10",
        },
        quiet={
            f"judge_model_retires_in_days{{{_JUDGE}}}": "12x10",
            f'judge_calls_total{{{_JUDGE},outcome="answered"}}': "4x10",
        },
        fires_at="5m",
    ),
    Alert(
        name="ItemsSetAside",
        expression="max by (service, worker) (worker_items_currently_set_aside) > 0",
        wait="5m",
        severity="ticket",
        summary="{{ $value }} items of worker {{ $labels.worker }} in {{ $labels.service }} were set aside.",
        fault={f'worker_items_currently_set_aside{{{_SERVICE},worker="advance"}}': "0x1 1x20"},
        quiet={f'worker_items_currently_set_aside{{{_SERVICE},worker="advance"}}': "0x20"},
        fires_at="10m",
    ),
    Alert(
        name="EventLoopBlocked",
        expression=(
            "histogram_quantile(0.99, sum by (service, le) (rate(event_loop_lag_seconds_bucket[5m]))) > 0.5"
        ),
        wait="5m",
        severity="ticket",
        summary="Something holds up {{ $labels.service }}: its event loop is {{ $value }} s late.",
        fault={
            f'event_loop_lag_seconds_bucket{{{_SERVICE},le="0.5"}}': "0+10x30",
            f'event_loop_lag_seconds_bucket{{{_SERVICE},le="1"}}': "0+20x30",
            f'event_loop_lag_seconds_bucket{{{_SERVICE},le="+Inf"}}': "0+20x30",
        },
        quiet={
            f'event_loop_lag_seconds_bucket{{{_SERVICE},le="0.5"}}': "0+20x30",
            f'event_loop_lag_seconds_bucket{{{_SERVICE},le="1"}}': "0+20x30",
            f'event_loop_lag_seconds_bucket{{{_SERVICE},le="+Inf"}}': "0+20x30",
        },
        fires_at="20m",
    ),
)
