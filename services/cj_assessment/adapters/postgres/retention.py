"""How long this service keeps what; ``documentation/explanation/privacy.md`` says why."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from service_kit.work.retention import RetentionRule, delete_older

from cj_assessment.adapters.postgres import erasing_sql

BATCHES_PER_STEP: Final = 4
"""The largest batch has 5,000 texts and some 75,000 answers."""


def retention_rules(
    *,
    text_retention: timedelta,
    result_retention: timedelta | None,
    erasure_retention: timedelta,
    audit_retention: timedelta,
) -> Sequence[RetentionRule]:
    """Without ``result_retention``, scores and grades are kept until their batch is to be forgotten."""
    results = RetentionRule(
        name="results",
        keep=result_retention or timedelta(0),
        statement=erasing_sql.DELETE_OLD_BATCHES,
        rows=BATCHES_PER_STEP,
    )
    return (
        RetentionRule(
            name="texts and raw answers",
            keep=text_retention,
            statement=erasing_sql.ERASE_OLD_TEXTS,
            rows=BATCHES_PER_STEP,
        ),
        RetentionRule(
            name="texts that nothing refers to",
            keep=text_retention,
            statement=erasing_sql.DELETE_UNUSED_CONTENT,
        ),
        RetentionRule(
            name="erasures", keep=erasure_retention, statement=delete_older("erasure", "completed_at")
        ),
        RetentionRule(
            name="changes by administrators",
            keep=audit_retention,
            statement=delete_older("admin_change", "at"),
        ),
        *(() if result_retention is None else (results,)),
    )
