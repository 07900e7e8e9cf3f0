"""Retention: how long a service keeps what, and the statements that delete it afterwards in bounded steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import TextClause, text

STEP_ROWS: Final = 5_000
KEEP_GIVEN_UP_MESSAGES: Final = timedelta(days=30)
KEEP_FAILED_ITEMS: Final = timedelta(days=30)
KEEP_INBOX: Final = timedelta(days=14)
"""Longer than the broker keeps messages: an event that can be delivered again is still remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """What is deleted once it is older than ``keep``: up to ``rows`` of it in one step, which is one transaction.

    ``statement`` takes ``:age`` (an interval) and ``:limit``; as many rows as it reports are counted as deleted.
    """

    name: str
    keep: timedelta
    statement: TextClause
    rows: int = STEP_ROWS

    def __str__(self) -> str:
        return self.name


def delete_older(table: str, moment: str, *, condition: str = "true") -> TextClause:
    """A statement that deletes rows of a table whose ``moment`` (a column or expression) has passed."""
    return text(
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("
        f"SELECT ctid FROM {table} WHERE {moment} < now() - CAST(:age AS interval) AND {condition} LIMIT :limit))"
    )


def common_rules() -> Sequence[RetentionRule]:
    """Of the tables that every service has."""
    return (
        RetentionRule(
            name="messages that were given up",
            keep=KEEP_GIVEN_UP_MESSAGES,
            statement=delete_older("outbox", "given_up_at"),
        ),
        RetentionRule(
            name="failed items",
            keep=KEEP_FAILED_ITEMS,
            statement=delete_older("failed_item", "coalesce(set_aside_at, last_failed_at)"),
        ),
        RetentionRule(
            name="handled events",
            keep=KEEP_INBOX,
            statement=delete_older("inbox", "received_at"),
        ),
    )
