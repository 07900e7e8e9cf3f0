"""Amounts of money and counters cannot be negative, whatever writes them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

RULES = {
    "batch_job": "items >= 0 AND submissions >= 0",
    "judge_request": "max_cost_usd >= 0 AND spent_usd >= 0 AND attempts >= 0 AND failures >= 0 AND paid_calls >= 0"
    " AND estimated_input >= 0 AND reserved_input >= 0 AND reserved_output >= 0",
    "meter": "failures >= 0 AND times_opened >= 0",
    "provider_call": "cost_usd >= 0 AND input_tokens >= 0 AND output_tokens >= 0 AND cache_read_tokens >= 0"
    " AND cache_write_tokens >= 0 AND cache_write_1h_tokens >= 0 AND reasoning_tokens >= 0",
    "spending": "cost_usd >= 0 AND calls >= 0 AND answered >= 0 AND unpriced_calls >= 0 AND input_tokens >= 0"
    " AND output_tokens >= 0",
}


def upgrade() -> None:
    """Hold new rows to it, then look at the old ones without keeping anybody from the tables.

    Each statement is its own transaction, because the lock of the first would be kept during the second; one that was
    interrupted is begun anew.
    """
    with op.get_context().autocommit_block():
        for table, rule in RULES.items():
            name = f"{table}_nothing_negative"
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
            op.create_check_constraint(name, table, sa.text(rule), postgresql_not_valid=True)
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    """Without the rules."""
    for table in RULES:
        op.drop_constraint(f"{table}_nothing_negative", table, type_="check")
