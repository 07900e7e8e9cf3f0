"""Find what is old without reading what is new."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = ("batch_phase", "phase_essay")


def upgrade() -> None:
    """Block range indexes: they cost next to nothing where rows are written in the order of their time."""
    for table in TABLES:
        op.create_index(f"{table}_reported", table, ["reported_at"], postgresql_using="brin")


def downgrade() -> None:
    """Without them."""
    for table in TABLES:
        op.drop_index(f"{table}_reported", table)
