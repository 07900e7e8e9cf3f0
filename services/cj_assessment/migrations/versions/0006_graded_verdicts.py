"""By how much the winner is better, where the judge says so."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add what a judge states beside the winner; earlier comparisons state nothing."""
    op.add_column(
        "comparison",
        sa.Column("margin", sa.SmallInteger(), nullable=True, comment="1 slightly better, 2 clearly, 3 far"),
    )
    op.add_column(
        "comparison",
        sa.Column(
            "log_odds_a",
            sa.Double(),
            nullable=True,
            comment="of slot A, from the probabilities of the answer's tokens",
        ),
    )
    op.add_column("comparison_attempt", sa.Column("margin", sa.SmallInteger(), nullable=True))
    op.add_column("comparison_attempt", sa.Column("log_odds_a", sa.Double(), nullable=True))
    op.add_column(
        "comparison_attempt",
        sa.Column("log_odds", postgresql.JSONB(), nullable=True, comment="how log_odds_a came about"),
    )


def downgrade() -> None:
    """Forget it."""
    for column in ("log_odds", "log_odds_a", "margin"):
        op.drop_column("comparison_attempt", column)
    for column in ("log_odds_a", "margin"):
        op.drop_column("comparison", column)
