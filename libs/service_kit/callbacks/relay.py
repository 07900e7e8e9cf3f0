"""Sends what the outbox holds for HTTP endpoints as signed callbacks, each on its own, fairly between hosts."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2
import structlog
from event_contracts import InvalidCallback
from sqlalchemy import Row, text

from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.messaging.bus_relay import report_refused
from service_kit.messaging.event_bus import Refusal
from service_kit.messaging.outbox import (
    DEFAULT_DELIVERY_POLICY,
    DeliveryPolicy,
    OutgoingMessage,
    mark_refused,
    mark_sent,
    outgoing,
    seconds_until_due,
)
from service_kit.storage.database import Database
from service_kit.storage.errors import is_infrastructure_error
from service_kit.telemetry.error_text import error_text
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.work.outages import OUTAGES
from service_kit.work.worker import AT_ONCE, Pulse, Wakeup, Worker

log = structlog.get_logger()

TIMEOUT_SECONDS = 10.0
LEASE = timedelta(seconds=30)
"""Longer than a delivery and its mark take; a relay that is killed leaves its callbacks alone for that long."""

CONCURRENCY = 32
CONCURRENCY_PER_HOST = 8
_LOOKED_AT = 500

# Leased instead of locked: a transaction that stays open for as long as a receiver likes would hold its
# connection, and keep the vacuum from the whole database.
CLAIM = text(
    f"""
    WITH due AS (
        SELECT id, key, row_number() OVER (PARTITION BY key ORDER BY not_before, id) AS turn
        FROM (
            SELECT id, key, not_before FROM outbox
            WHERE transport = 'http' AND given_up_at IS NULL AND not_before <= now()
              AND key <> ALL(CAST(:full_hosts AS text[]))
            ORDER BY not_before LIMIT {_LOOKED_AT}
        ) AS oldest
    ), chosen AS (
        SELECT outbox.id FROM outbox JOIN due USING (id)
        LEFT JOIN unnest(CAST(:hosts AS text[]), CAST(:counts AS int[])) AS busy (host, callbacks)
               ON busy.host = due.key
        WHERE due.turn + coalesce(busy.callbacks, 0) <= :per_host
          AND given_up_at IS NULL AND not_before <= now()
        ORDER BY due.turn, outbox.id LIMIT :slots FOR UPDATE OF outbox SKIP LOCKED
    )
    UPDATE outbox SET not_before = now() + CAST(:lease AS interval) FROM chosen
    WHERE outbox.id = chosen.id
    RETURNING outbox.id, event_id, transport, destination, key, headers, value
    """
)


class CallbackSender:
    """Posts the stored bytes; only a 2xx answer counts as delivered, and redirects are not followed.

    ``client`` must be one that connects where ``CallbackPolicy`` allows: see ``callback_client``.
    """

    def __init__(self, client: httpx2.AsyncClient, *, signer: WebhookSigner) -> None:
        self._client = client
        self._signer = signer

    async def post(self, message: OutgoingMessage) -> Refusal | None:
        """None when it was delivered, else why not; takes ``TIMEOUT_SECONDS`` at most."""
        try:
            # Around everything: a receiver that answers byte by byte never exceeds a timeout of one read.
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = await self._status(message)
        except TimeoutError:
            return Refusal(reason=f"no answer within {TIMEOUT_SECONDS:g} s")
        except InvalidCallback as error:
            return Refusal(reason=error.message)
        except (httpx2.HTTPError, OSError) as error:
            return Refusal(reason=repr(error))
        if 200 <= status < 300:
            return None
        return Refusal(reason=f"the receiver answered {status}", final=status == httpx2.codes.GONE)

    async def _status(self, message: OutgoingMessage) -> int:
        signature = self._signer.headers(message_id=str(message.event_id), body=message.value)
        headers = {"content-type": "application/json", **signature}
        # Streamed, and the body left unread: it says nothing, and it may have no end.
        async with self._client.stream(
            "POST", message.destination, content=message.value, headers=headers, follow_redirects=False
        ) as answer:
            return answer.status_code


@dataclass(frozen=True, kw_only=True)
class CallbackRelay:
    """Keeps up to ``CONCURRENCY`` callbacks under way; a slow receiver takes no more than its host's share."""

    database: Database
    sender: CallbackSender
    metrics: ServiceMetrics
    wakeup: Wakeup
    lease: timedelta = LEASE
    policy: DeliveryPolicy = DEFAULT_DELIVERY_POLICY
    pulse: Pulse = field(default_factory=Pulse)
    _under_way: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """What it is called in the logs."""
        return "outbox-http"

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as deliveries:
            step = partial(self._start_due, deliveries)
            await Worker(name=self.name, step=step, wakeup=self.wakeup, pulse=self.pulse).run()

    async def _start_due(self, deliveries: asyncio.TaskGroup) -> float | None:
        """Start what is due and fits in; returns the seconds until more is due."""
        slots = CONCURRENCY - self._under_way.total()
        if slots <= 0:
            return None  # the next delivery that ends wakes this relay
        rows, next_due = await self._claim(slots)
        for row in rows:
            self._under_way[row.key] += 1
            deliveries.create_task(self._deliver(row))
        return AT_ONCE if rows else next_due

    async def _claim(self, slots: int) -> tuple[Sequence[Row[Any]], float | None]:
        busy = +self._under_way
        parameters = {
            "slots": slots,
            "lease": self.lease,
            "per_host": CONCURRENCY_PER_HOST,
            "hosts": list(busy.keys()),
            "counts": list(busy.values()),
            "full_hosts": [host for host, callbacks in busy.items() if callbacks >= CONCURRENCY_PER_HOST],
        }
        async with self.database.transaction() as connection:
            rows = (await connection.execute(CLAIM, parameters)).all()
            return rows, None if rows else await seconds_until_due(connection, transport="http")

    async def _deliver(self, row: Row[Any]) -> None:
        try:
            await self._record(row, await self._send(row))
        except (
            Exception
        ) as error:  # the outermost frame of a delivery: it is sent again when its lease is over
            if is_infrastructure_error(error):
                OUTAGES.report(self.name, error)
            else:
                log.exception("callback.not_recorded", event_id=str(row.event_id), host=row.key)
        finally:
            self._under_way[row.key] -= 1
            self.wakeup.wake()

    async def _send(self, row: Row[Any]) -> Refusal | None:
        """None when it was delivered; a message that cannot be sent at all gets a final refusal."""
        try:
            return await self.sender.post(outgoing(row))
        except Exception as error:
            if is_infrastructure_error(error):
                raise
            log.warning("callback.cannot_be_sent", event_id=str(row.event_id), host=row.key, exc_info=error)
            return Refusal(reason=error_text(error), final=True)

    async def _record(self, row: Row[Any], refusal: Refusal | None) -> None:
        async with self.database.transaction() as connection:
            if refusal is None:
                await mark_sent(connection, [row.id])
                outcomes: Sequence[Row[Any]] = ()
            else:
                outcomes = await mark_refused(connection, {row.id: refusal}, policy=self.policy)
        self.metrics.outbox_sent.labels("http").inc(refusal is None)
        report_refused(outcomes, transport="http", metrics=self.metrics)
