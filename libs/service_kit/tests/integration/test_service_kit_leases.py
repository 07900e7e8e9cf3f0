"""A row that cannot be leased keeps no other item from being taken."""

from collections.abc import Sequence

from service_kit.storage.database import Database
from service_kit.storage.leases import leased_keys
from sqlalchemy import text

DUE = text("SELECT event_id FROM outbox WHERE not_before <= now() ORDER BY id LIMIT :limit")
LEASE = text(
    f"UPDATE outbox SET not_before = now() + interval '1 minute' WHERE event_id IN ({DUE.text}) RETURNING event_id"
)


async def taken(database: Database) -> Sequence[object]:
    async with database.transaction() as connection:
        return await leased_keys(connection, LEASE, due=DUE, values={"limit": 10})


async def test_due_items_are_leased_once(database: Database) -> None:
    await _write(database)

    assert (len(await taken(database)), len(await taken(database))) == (3, 0)


async def test_a_row_that_cannot_be_leased_is_taken_without_a_lease_with_all_others(
    database: Database,
) -> None:
    await _write(database)
    async with database.transaction() as connection:
        await connection.execute(text("ALTER TABLE outbox ADD CHECK (key <> '2') NOT VALID"))

    assert (len(await taken(database)), len(await taken(database))) == (3, 3)


async def _write(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO outbox (event_id, transport, destination, key, headers, value)"
                " SELECT gen_random_uuid(), 'bus', 'topic', n::text, '[]', '' FROM generate_series(1, 3) AS n"
            )
        )
