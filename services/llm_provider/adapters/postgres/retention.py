"""How long this service keeps what; ``documentation/explanation/privacy.md`` says why."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from service_kit.work.retention import RetentionRule, delete_older

from llm_provider.adapters.postgres import erasing_sql

PROMPTS_PER_STEP: Final = 500
"""A prompt holds two essays."""


def retention_rules(
    *,
    prompt_retention: timedelta,
    answer_retention: timedelta,
    request_retention: timedelta,
    spending_retention: timedelta,
) -> Sequence[RetentionRule]:
    """Of requests, from their end; of the sums, from their day."""
    return (
        RetentionRule(
            name="prompts",
            keep=prompt_retention,
            statement=erasing_sql.DELETE_OLD_PROMPTS,
            rows=PROMPTS_PER_STEP,
        ),
        RetentionRule(name="raw answers", keep=answer_retention, statement=erasing_sql.ERASE_OLD_ANSWERS),
        RetentionRule(
            name="requests and their calls", keep=request_retention, statement=erasing_sql.DELETE_OLD_REQUESTS
        ),
        RetentionRule(name="batch jobs", keep=request_retention, statement=erasing_sql.DELETE_OLD_JOBS),
        RetentionRule(name="spending", keep=spending_retention, statement=delete_older("spending", "day")),
        RetentionRule(
            name="cost alerts", keep=spending_retention, statement=delete_older("cost_alert", "raised_at")
        ),
    )
