"""Relays what the outbox holds for the event bus, in order for each topic and key, several relays side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from service_kit.messaging.event_bus import MAX_RECORDS_PER_POLL, EventBus, Message, NotPublished, Refusal
from service_kit.messaging.message_spans import publishing
from service_kit.messaging.outbox import (
    DEFAULT_DELIVERY_POLICY,
    DeliveryPolicy,
    OutgoingMessage,
    mark_refused,
    mark_sent,
    outgoing,
    report_refused,
    seconds_until_due,
)
from service_kit.storage.database import Database
from service_kit.telemetry.error_text import error_text
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tracing import NO_TRACING, Tracing
from service_kit.work.failed_items import DEFAULT_RETRY_RULES, RetryRules, is_retryable_sql
from service_kit.work.isolation import Failure, isolate
from service_kit.work.items import FailureRecord, only_list
from service_kit.work.worker import IMMEDIATELY, Wakeup, Worker

NAME: Final = "outbox-bus"
"""Name of the worker whose failed items, messages that cannot be marked, are left out."""

# A lane is a topic and key. The relay that holds the lock on a lane's first unsent row has the lane: the others skip
# that row, and with it the lane. A lane whose first row waits for its next attempt waits as a whole; such lanes
# are looked up once, so the cost does not grow with the number of rows that wait behind.
TAKE = text(
    f"""
    WITH waiting AS MATERIALIZED (
        SELECT destination, key, min(id) AS id FROM outbox
        WHERE transport = 'bus' AND given_up_at IS NULL AND attempts > 0 AND not_before > now()
        GROUP BY destination, key
    ), ready AS MATERIALIZED (
        SELECT id, destination, key FROM outbox AS candidate
        WHERE transport = 'bus' AND given_up_at IS NULL AND not_before <= now()
          AND NOT EXISTS (
              SELECT 1 FROM waiting
              WHERE waiting.destination = candidate.destination AND waiting.key = candidate.key
                AND waiting.id < candidate.id
          )
          AND {is_retryable_sql(NAME, "candidate.id")}
        ORDER BY id LIMIT :limit
    ), lane AS MATERIALIZED (
        SELECT destination, key FROM outbox
        WHERE id = ANY(ARRAY(SELECT min(id) FROM ready GROUP BY destination, key))
          AND given_up_at IS NULL
        FOR UPDATE SKIP LOCKED
    )
    SELECT id, event_id, transport, destination, key, headers, value
    FROM outbox
    WHERE id = ANY(ARRAY(SELECT ready.id FROM ready JOIN lane USING (destination, key)))
    ORDER BY id
    """
)


@dataclass(kw_only=True)
class OutboxRelay:
    """Publishes unsent messages; the rows stay locked meanwhile, so a relay that dies gives them back immediately.

    When the broker is unavailable, no message is marked, and the worker retries after a delay. A message whose row
    cannot be marked is published again, and set aside in the end.
    """

    database: Database
    bus: EventBus
    metrics: ServiceMetrics
    wakeup: Wakeup
    limit: int = MAX_RECORDS_PER_POLL
    policy: DeliveryPolicy = DEFAULT_DELIVERY_POLICY
    rules: RetryRules = DEFAULT_RETRY_RULES
    tracing: Tracing = NO_TRACING
    _unmarked: FailureRecord[int] = field(init=False)

    def __post_init__(self) -> None:
        self._unmarked = FailureRecord(
            worker=NAME,
            database=self.database,
            metrics=self.metrics,
            set_aside=only_list,
            rules=self.rules,
        )

    def worker(self) -> Worker:
        """The loop that runs this relay."""
        return Worker(name=NAME, step=self.relay_once, wakeup=self.wakeup)

    async def relay_once(self) -> float | None:
        """Send one batch; returns the seconds until more is due. Raises ``BusUnavailable``."""
        unmarked: Sequence[Failure[int]] = ()
        async with self.database.transaction() as connection:
            rows = (await connection.execute(TAKE, {"limit": self.limit})).all()
            if rows:
                unmarked = await self._mark(connection, rows, await self._publish(rows))
            rest: float | None = IMMEDIATELY
            if len(rows) < self.limit:
                rest = await seconds_until_due(connection, transport="bus")
        if unmarked:
            await self._unmarked.failed(unmarked)
        return rest

    async def _publish(self, rows: Sequence[Row[Any]]) -> Mapping[int, Refusal]:
        """Refusals by place in ``rows``; a message that the bus cannot even encode gets a final refusal."""
        refusals: dict[int, Refusal] = {}

        async def publish(places: Sequence[int]) -> None:
            messages = [_message(outgoing(rows[place])) for place in places]
            with publishing(messages, self.tracing) as leaving:
                try:
                    await self.bus.publish(leaving.messages)
                except NotPublished as error:
                    leaving.refused(error.refusals)
                    refusals.update({places[place]: refusal for place, refusal in error.refusals.items()})

        for failure in await isolate(range(len(rows)), publish):
            refusals[failure.item] = Refusal(reason=error_text(failure.error), final=True)
        return refusals

    async def _mark(
        self, connection: AsyncConnection, rows: Sequence[Row[Any]], refusals: Mapping[int, Refusal]
    ) -> Sequence[Failure[int]]:
        """Mark what was sent and what was refused; returns the rows that cannot be marked."""
        refused = {rows[place].id: refusal for place, refusal in _to_mark(rows, refusals).items()}
        outcomes: list[Row[Any]] = []

        async def sent(ids: Sequence[int]) -> None:
            async with connection.begin_nested():
                await mark_sent(connection, ids)
            self.metrics.outbox.sent.labels("bus").inc(len(ids))

        async def not_sent(ids: Sequence[int]) -> None:
            chosen = {one: refused[one] for one in ids}
            async with connection.begin_nested():
                outcomes.extend(await mark_refused(connection, chosen, policy=self.policy))

        failures = [
            *await isolate([row.id for place, row in enumerate(rows) if place not in refusals], sent),
            *await isolate(list(refused), not_sent),
        ]
        report_refused(outcomes, transport="bus", metrics=self.metrics)
        return failures


def _to_mark(rows: Sequence[Row[Any]], refusals: Mapping[int, Refusal]) -> dict[int, Refusal]:
    """Of each lane the first that was refused, which holds up the others, and every final refusal."""
    marked: dict[int, Refusal] = {}
    held_up: set[tuple[str, str]] = set()
    for place in sorted(refusals):
        lane = (rows[place].destination, rows[place].key)
        if refusals[place].final:
            marked[place] = refusals[place]
        elif lane not in held_up:
            held_up.add(lane)
            marked[place] = refusals[place]
    return marked


def _message(message: OutgoingMessage) -> Message:
    return Message(
        topic=message.destination, key=message.key.encode(), value=message.value, headers=message.headers
    )
