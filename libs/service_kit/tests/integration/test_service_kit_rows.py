"""What the row codec and the store promise: values come back as they were written, in sets, on real PostgreSQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from service_kit.messaging.outbox import bus_message
from service_kit.storage.database import Database
from service_kit.storage.rows import RowCodec
from service_kit.store import Outbox, PostgresStore
from service_kit.tests.builders import consumption
from service_kit.tests.conftest import FetchAll
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

TABLES = MetaData()
thing = Table(
    "thing",
    TABLES,
    Column("id", Uuid, primary_key=True),
    Column("name", Text),
    Column("amount", Numeric(18, 9), nullable=False),
    Column("score", Double, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("flag", Boolean, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("extra", JSONB, nullable=False),
    Column("place", Integer, nullable=False),
    Column("tags", ARRAY(Text)),
)


@dataclass(frozen=True, kw_only=True)
class Thing:
    id: UUID
    name: str | None
    amount: Decimal
    score: float
    count: int
    flag: bool
    seen_at: datetime
    place: int


def read(row: Mapping[str, Any]) -> Thing:
    return Thing(**{name: row[name] for name in Thing.__dataclass_fields__})


THINGS = RowCodec(
    thing,
    write={
        "id": lambda one: one.id,
        "name": lambda one: one.name,
        "amount": lambda one: one.amount,
        "score": lambda one: one.score,
        "count": lambda one: one.count,
        "flag": lambda one: one.flag,
        "seen_at": lambda one: one.seen_at,
        "extra": lambda _: '{"kept": true}',
        "place": lambda one: one.place,
    },
    read=read,
)


def a_thing(place: int, **changes: object) -> Thing:
    values: dict[str, Any] = {
        "id": uuid4(),
        "name": None if place % 2 else f"thing {place}",
        "amount": Decimal("0.000000001") * place,
        "score": 0.1 * place,
        "count": 2**40 + place,
        "flag": place % 3 == 0,
        "seen_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=place),
        "place": place,
    }
    return Thing(**{**values, **changes})


@pytest.fixture
async def things(database: Database) -> Database:
    async with database.transaction() as connection:
        await connection.run_sync(TABLES.drop_all)
        await connection.run_sync(TABLES.create_all)
    return database


async def insert(database: Database, values: list[Thing]) -> None:
    statement = text(
        f"INSERT INTO thing ({THINGS.columns})"
        f" SELECT {', '.join(f'new.{name}' for name in THINGS.write)} FROM {THINGS.source}"
    )
    async with database.transaction() as connection:
        await connection.execute(statement, THINGS.parameters(values))


async def test_a_set_of_values_comes_back_as_it_was_written(things: Database) -> None:
    written = [a_thing(place) for place in range(20)]

    await insert(things, written)

    async with things.transaction() as connection:
        found = THINGS.values(await connection.execute(text("SELECT * FROM thing ORDER BY place")))
    assert found == written


async def test_an_amount_that_its_column_has_no_room_for_is_refused_and_not_rounded(things: Database) -> None:
    with pytest.raises(DBAPIError):
        await insert(things, [a_thing(1, amount=Decimal("12345678901.5"))])


def test_a_column_that_the_table_does_not_have_is_found_when_the_codec_is_made() -> None:
    with pytest.raises(KeyError):
        RowCodec(thing, write={"nmae": lambda one: one}, read=read)


def test_an_array_column_is_refused_when_the_codec_is_made() -> None:
    with pytest.raises(TypeError, match="tags is an array"):
        RowCodec(thing, write={"tags": lambda one: one}, read=read)


class Transaction:
    def __init__(self, connection: AsyncConnection, outbox: Outbox) -> None:
        self.connection = connection
        self.outbox = outbox


async def test_what_a_transaction_sends_is_written_with_it_and_wakes_the_relays(
    database: Database, fetch: FetchAll
) -> None:
    wakes: list[int] = []
    store = PostgresStore(database, begin=Transaction, wake_relays=lambda: wakes.append(1))

    async with store.transaction() as transaction:
        transaction.outbox.send([bus_message(consumption(), key="a"), bus_message(consumption(), key="a")])
    async with store.transaction():
        pass

    assert len(await fetch("SELECT 1 FROM outbox")) == 2
    assert wakes == [1]


async def test_a_transaction_that_fails_sends_nothing(database: Database, fetch: FetchAll) -> None:
    wakes: list[int] = []
    store = PostgresStore(database, begin=Transaction, wake_relays=lambda: wakes.append(1))

    async def fail() -> None:
        async with store.transaction() as transaction:
            transaction.outbox.send([bus_message(consumption(), key="a")])
            raise ValueError("it failed")

    with pytest.raises(ValueError, match="it failed"):
        await fail()

    assert await fetch("SELECT 1 FROM outbox") == []
    assert wakes == []
