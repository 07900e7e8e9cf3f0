"""Amounts of money and counters cannot be negative, whatever writes them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

RULES = {
    "assessment_batch": "max_comparisons >= 0 AND max_cost_usd >= 0 AND consumption_reported >= 0",
    "comparison": "cap_usd >= 0 AND attempts >= 0 AND repetition >= 0",
    "comparison_attempt": "number > 0 AND reserved_usd >= 0 AND cost_usd >= 0 AND prompt_tokens >= 0"
    " AND completion_tokens >= 0 AND response_time_ms >= 0",
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
