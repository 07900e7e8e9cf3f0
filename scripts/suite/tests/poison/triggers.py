"""Poison in PostgreSQL: a row of a chosen batch that a chosen statement may not write.

A trigger on every table looks for ids in the row that is written. Where one belongs to a poisoned batch and the
statement that writes it is one that the batch is poisoned for, it raises, as a constraint or a type would. Ids that a
row of the batch brings along (its requests, its attempts) belong to the batch as well.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from sqlalchemy import make_url
from suite.embedded.postgres import plain_connection

SQLSTATES: Final = ("P0001", "22003", "23514", "XX001")
"""What the trigger raises in turn: its own error, a number out of range, a broken rule, a corrupt row."""

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

_SETUP: Final = f"""
CREATE TABLE poison_id (id text PRIMARY KEY, batch text NOT NULL);
CREATE TABLE poison_statement (batch text, statement text, state text, PRIMARY KEY (batch, statement));

CREATE FUNCTION poison_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    written jsonb := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    words text := written::text;
    found text;
    wrong text;
BEGIN
    IF TG_TABLE_NAME = 'outbox' THEN
        words := words || convert_from(decode(substr(written->>'value', 3), 'hex'), 'UTF8');
    END IF;
    SELECT poison_id.batch INTO found
    FROM regexp_matches(words, '{_UUID}', 'g') AS word JOIN poison_id ON poison_id.id = word[1] LIMIT 1;
    IF found IS NOT NULL THEN
        SELECT state INTO wrong FROM poison_statement
        WHERE batch = found AND statement = md5(current_query());
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'poisoned' USING ERRCODE = wrong;
        END IF;
        IF TG_OP = 'INSERT' AND written->>'id' ~ '^{_UUID}$' THEN
            INSERT INTO poison_id VALUES (written->>'id', found) ON CONFLICT DO NOTHING;
        END IF;
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
"""


def statement_id(statement: str) -> str:
    """What the trigger calls a statement."""
    return hashlib.md5(statement.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class PoisonedDatabase:
    """A service's database as its poisoner sees it, on a connection of its own."""

    name: str
    connection: asyncpg.Connection

    async def tables(self) -> Sequence[str]:
        """The service's tables, from the catalogue."""
        rows = await self.connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename NOT LIKE 'poison%' AND tablename <> 'alembic_version' ORDER BY tablename"
        )
        return [row["tablename"] for row in rows]

    async def owns(self, batch: str, *ids: str) -> None:
        """These ids belong to the batch."""
        await self.connection.executemany(
            "INSERT INTO poison_id VALUES ($1, $2) ON CONFLICT DO NOTHING", [(one, batch) for one in ids]
        )

    async def poison(self, batch: str, statement: str, *, state: str) -> None:
        """From now on this statement fails for the rows of the batch."""
        await self.connection.execute(
            "INSERT INTO poison_statement VALUES ($1, $2, $3)", batch, statement_id(statement), state
        )

    async def heal(self) -> None:
        """No statement fails."""
        await self.connection.execute("DELETE FROM poison_statement")

    async def rows(self, query: str, *values: object) -> list[Any]:
        """The rows of a query."""
        return list(await self.connection.fetch(query, *values))


@asynccontextmanager
async def poisoned_database(url: str) -> AsyncIterator[PoisonedDatabase]:
    """Put a trigger on every table of a database; its schema must be there."""
    async with plain_connection(url) as connection:
        await connection.execute(_SETUP)
        database = PoisonedDatabase(name=make_url(url).database or "", connection=connection)
        for table in await database.tables():
            await connection.execute(
                f'CREATE TRIGGER poison BEFORE INSERT OR UPDATE OR DELETE ON "{table}"'
                " FOR EACH ROW EXECUTE FUNCTION poison_row()"
            )
        yield database
