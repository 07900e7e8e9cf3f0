"""What the conductor knows of old batches is deleted."""

from datetime import timedelta

from batch_conductor.adapters.postgres.retention import retention_rules
from batch_conductor.settings import MIGRATIONS
from service_kit.housekeeping import Housekeeping
from service_kit.storage.database import Database, migrate
from service_kit.tests.builders import new_metrics
from sqlalchemy import text

OLD, NEW = "now() - interval '366 days'", "now() - interval '364 days'"
ROWS = (
    "INSERT INTO batch_phase (batch_id, phase, stage, essays, reported_at)"
    " VALUES ('{name}', 'spellcheck', 'completed', 1, {moment})",
    "INSERT INTO phase_essay VALUES ('{name}', 'spellcheck', 'e', 'succeeded', {moment})",
    "INSERT INTO phase_skip VALUES ('{name}', gen_random_uuid(), 'nlp', {moment})",
    "INSERT INTO batch_size VALUES ('{name}', 30, {moment})",
    "INSERT INTO pipeline_plan (plan_id, batch_id, correlation_id, requested, phases, skipped, obstacles, asked_at)"
    " VALUES (gen_random_uuid(), '{name}', 'c', 'nlp', '{{}}', '{{}}', '[]', {moment})",
)


async def test_batches_of_more_than_a_year_ago_are_forgotten(database_url: str) -> None:
    await migrate(database_url, MIGRATIONS)
    database = Database(database_url, application_name="test")
    async with database.transaction() as connection:
        for name, moment in (("old", OLD), ("new", NEW)):
            for statement in ROWS:
                await connection.execute(text(statement.format(name=name, moment=moment)))
    rules = retention_rules(batch_retention=timedelta(days=365))
    keeper = Housekeeping(database=database, metrics=new_metrics(), rules=rules)

    while await keeper.tidy() is not None:
        continue

    async with database.transaction() as connection:
        left = [
            set((await connection.execute(text(f"SELECT batch_id FROM {rule.name}"))).scalars())
            for rule in rules
        ]
    await database.close()
    assert left == [{"new"}] * len(ROWS)
