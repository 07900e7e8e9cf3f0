"""The floor of the gateway's overhead: the same durable steps for each call, with bare asyncpg and aiokafka."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import asyncpg
import httpx2
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from suite.benchmarks.provider.site import SHORT_ESSAY, Site, comparison
from suite.embedded.postgres import plain_url

CONNECTIONS: Final = 8
PARTITIONS: Final = 6
RESULT_BYTES: Final = 1_500
"""About as long as the gateway's result in its envelope."""

TABLES: Final = """
CREATE TABLE request (id uuid PRIMARY KEY, body text NOT NULL, state text NOT NULL, lease_until timestamptz,
                      result text);
CREATE TABLE meter (model text PRIMARY KEY, used bigint NOT NULL);
CREATE TABLE call (id bigserial PRIMARY KEY, request_id uuid NOT NULL, answer text NOT NULL, cost numeric NOT NULL);
CREATE TABLE spending (day date PRIMARY KEY, cost numeric NOT NULL);
CREATE TABLE outbox (id bigserial PRIMARY KEY, message bytea NOT NULL, sent_at timestamptz);
INSERT INTO meter VALUES ('limited-1', 0);
INSERT INTO spending VALUES (current_date, 0);
"""
QUEUE: Final = "INSERT INTO request VALUES ($1, $2, 'queued')"
LEASE: Final = "UPDATE request SET state = 'calling', lease_until = now() + interval '30 s' WHERE id = $1"
METER: Final = "UPDATE meter SET used = used + 1 WHERE model = 'limited-1'"
RECORD: Final = "INSERT INTO call (request_id, answer, cost) VALUES ($1, $2, 0.001)"
END_REQUEST: Final = "UPDATE request SET state = 'ended', lease_until = NULL, result = $2 WHERE id = $1"
SPEND: Final = "UPDATE spending SET cost = cost + 0.001 WHERE day = current_date"
WRITE: Final = "INSERT INTO outbox (message) VALUES ($1) RETURNING id"
SENT: Final = "UPDATE outbox SET sent_at = now() WHERE id = $1"


@dataclass(frozen=True, kw_only=True)
class BareSteps:
    """Calls the vendor between the four commits and the one message that no gateway can do without.

    A request is queued, then leased against a meter; the call, its cost, its result and the message are recorded
    together; the message is sent, read by its receiver, and noted as sent.
    """

    client: httpx2.AsyncClient
    vendor_url: str
    database: "asyncpg.Pool[asyncpg.Record]"
    producer: AIOKafkaProducer
    topic: str
    expected: dict[bytes, asyncio.Event] = field(default_factory=dict)

    async def call(self) -> None:
        """One call: from the request to its result."""
        item = comparison(SHORT_ESSAY, 1)
        request_id = uuid4()
        key = request_id.bytes
        arrived = self.expected.setdefault(key, asyncio.Event())
        await self.database.execute(QUEUE, request_id, item.model_dump_json(exclude_none=True))
        async with self.database.acquire() as connection, connection.transaction():
            await connection.execute(LEASE, request_id)
            await connection.execute(METER)
        prompt = "\n\n".join(block.content for block in item.prompt_blocks or ())
        body = {"model": "limited-1", "messages": [{"role": "user", "content": prompt}], "max_tokens": 1024}
        answer = (await self.client.post(self.vendor_url, json=body)).raise_for_status().text
        message = answer.encode().ljust(RESULT_BYTES)
        async with self.database.acquire() as connection, connection.transaction():
            await connection.execute(RECORD, request_id, answer)
            await connection.execute(END_REQUEST, request_id, answer)
            await connection.execute(SPEND)
            number = await connection.fetchval(WRITE, message)
        await self.producer.send_and_wait(self.topic, message, key=key)
        await asyncio.gather(arrived.wait(), self.database.execute(SENT, number))


@asynccontextmanager
async def bare_steps(site: Site, client: httpx2.AsyncClient, vendor_url: str) -> AsyncIterator[BareSteps]:
    """The floor's own database, topic and receiver, until the context ends."""
    topic = f"floor-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=site.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)])
    await admin.close()
    dsn = plain_url(site.postgres.create_database(topic.replace("-", "_")))
    producer = AIOKafkaProducer(bootstrap_servers=site.kafka, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=site.kafka, auto_offset_reset="earliest")
    async with asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS) as database:
        await database.execute(TABLES)
        await producer.start()
        await consumer.start()
        steps = BareSteps(
            client=client, vendor_url=vendor_url, database=database, producer=producer, topic=topic
        )
        reading = asyncio.create_task(_read(consumer, steps.expected))
        try:
            yield steps
        finally:
            reading.cancel()
            await consumer.stop()
            await producer.stop()


async def _read(consumer: AIOKafkaConsumer, expected: dict[bytes, asyncio.Event]) -> None:
    async for record in consumer:
        expected.pop(record.key).set()
