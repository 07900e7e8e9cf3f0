"""Sends what the outbox holds for HTTP endpoints as signed callbacks, each on its own, fairly between hosts."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

import httpx2
import structlog
from event_contracts import InvalidCallback
from sqlalchemy import Row, text

from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.messaging.event_bus import Refusal
from service_kit.messaging.outbox import (
    DEFAULT_DELIVERY_POLICY,
    MIN_REST_SECONDS,
    DeliveryPolicy,
    OutgoingMessage,
    mark_refused,
    mark_sent,
    outgoing,
    report_refused,
    seconds_until_due,
)
from service_kit.storage.database import Database
from service_kit.storage.errors import is_infrastructure_error
from service_kit.telemetry.error_text import error_text
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tracing import NO_TRACING, SpanKind, Tracing, trace_of_headers
from service_kit.work.failed_items import DEFAULT_RETRY_RULES, RetryRules, is_retryable_sql
from service_kit.work.isolation import Failure, isolate
from service_kit.work.items import FailureRecord, only_list
from service_kit.work.outages import OUTAGES
from service_kit.work.worker import IMMEDIATELY, Heartbeat, Wakeup, Worker

log = structlog.get_logger()

NAME: Final = "outbox-http"
"""Name of the worker whose failed items, callbacks that cannot be claimed or marked, are left out."""

TIMEOUT_SECONDS = 10.0
LEASE = timedelta(seconds=30)
"""Longer than a delivery and its mark take; a relay that is killed leaves its callbacks alone for that long."""

CONCURRENCY = 32
CONCURRENCY_PER_HOST = 8
_CANDIDATE_LIMIT = 500

# Leased instead of locked: a transaction that stays open for as long as the receiver takes would hold its
# connection, and block VACUUM in the whole database.
DUE = text(
    f"""
    WITH due AS (
        SELECT id, key, row_number() OVER (PARTITION BY key ORDER BY not_before, id) AS turn
        FROM (
            SELECT id, key, not_before FROM outbox
            WHERE transport = 'http' AND given_up_at IS NULL AND not_before <= now()
              AND key <> ALL(CAST(:full_hosts AS text[])) AND {is_retryable_sql(NAME, "outbox.id")}
            ORDER BY not_before LIMIT {_CANDIDATE_LIMIT}
        ) AS oldest
    )
    SELECT due.id FROM due
    LEFT JOIN unnest(CAST(:hosts AS text[]), CAST(:counts AS int[])) AS busy (host, callbacks)
           ON busy.host = due.key
    WHERE due.turn + coalesce(busy.callbacks, 0) <= :per_host
    ORDER BY due.turn, due.id LIMIT :slots
    """
)
CLAIM = text(
    """
    UPDATE outbox SET not_before = now() + CAST(:lease AS interval)
    WHERE id IN (
        SELECT id FROM outbox
        WHERE id = ANY(CAST(:ids AS bigint[])) AND given_up_at IS NULL AND not_before <= now()
        ORDER BY id FOR UPDATE SKIP LOCKED
    )
    RETURNING id, event_id, transport, destination, key, headers, value
    """
)


class CallbackSender:
    """Posts the stored bytes; only a 2xx answer counts as delivered, and redirects are not followed.

    ``client`` must be one that connects where ``CallbackPolicy`` allows: see ``callback_client``.
    """

    def __init__(
        self, client: httpx2.AsyncClient, *, signer: WebhookSigner, tracing: Tracing = NO_TRACING
    ) -> None:
        self._client = client
        self._signer = signer
        self._tracing = tracing

    async def post(self, message: OutgoingMessage) -> Refusal | None:
        """None when it was delivered, else why not; takes ``TIMEOUT_SECONDS`` at most."""
        trace = trace_of_headers(message.headers)
        if trace is None or not self._tracing.is_on:
            return await self._post(message, {} if trace is None else trace.fields())
        attributes = {"messaging.message.id": str(message.event_id), "server.address": message.key}
        with self._tracing.span(
            "POST callback", kind=SpanKind.CLIENT, parents=(trace,), attributes=attributes
        ) as span:
            refusal = await self._post(message, (span.context or trace).fields())
            if refusal is not None:
                span.failed("not_delivered")
        return refusal

    async def _post(self, message: OutgoingMessage, trace: Mapping[str, str]) -> Refusal | None:
        try:
            # Around everything: a receiver that answers byte by byte never exceeds a timeout of one read.
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = await self._status(message, trace)
        except TimeoutError:
            return Refusal(reason=f"no answer within {TIMEOUT_SECONDS:g} s")
        except InvalidCallback as error:
            return Refusal(reason=error.message)
        except (httpx2.HTTPError, OSError) as error:
            return Refusal(reason=repr(error))
        if 200 <= status < 300:
            return None
        return Refusal(reason=f"the receiver answered {status}", final=status == httpx2.codes.GONE)

    async def _status(self, message: OutgoingMessage, trace: Mapping[str, str]) -> int:
        signature = self._signer.headers(message_id=str(message.event_id), body=message.value)
        headers = {"content-type": "application/json", **trace, **signature}
        # Streamed, and the body left unread: it says nothing, and it may have no end.
        async with self._client.stream(
            "POST", message.destination, content=message.value, headers=headers, follow_redirects=False
        ) as answer:
            return answer.status_code


@dataclass(kw_only=True)
class CallbackRelay:
    """Keeps up to ``CONCURRENCY`` callbacks in progress; a slow receiver takes no more than its host's share."""

    database: Database
    sender: CallbackSender
    metrics: ServiceMetrics
    wakeup: Wakeup
    lease: timedelta = LEASE
    policy: DeliveryPolicy = DEFAULT_DELIVERY_POLICY
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    rules: RetryRules = DEFAULT_RETRY_RULES
    _in_progress: Counter[str] = field(default_factory=Counter, init=False)
    _failures: FailureRecord[int] = field(init=False)

    def __post_init__(self) -> None:
        self._failures = FailureRecord(
            worker=NAME,
            database=self.database,
            metrics=self.metrics,
            set_aside=only_list,
            rules=self.rules,
        )

    @property
    def name(self) -> str:
        """What it is called in the logs."""
        return NAME

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as deliveries:
            step = partial(self._start_due, deliveries)
            await Worker(name=self.name, step=step, wakeup=self.wakeup, heartbeat=self.heartbeat).run()

    async def _start_due(self, deliveries: asyncio.TaskGroup) -> float | None:
        """Start what is due and fits in; returns the seconds until more is due."""
        slots = CONCURRENCY - self._in_progress.total()
        if slots <= 0:
            return None  # the next delivery that ends wakes this relay
        rows, next_due = await self._claim(slots)
        for row in rows:
            self._in_progress[row.key] += 1
            deliveries.create_task(self._deliver(row))
        return IMMEDIATELY if rows else next_due

    async def _claim(self, slots: int) -> tuple[Sequence[Row[Any]], float | None]:
        busy = +self._in_progress
        parameters = {
            "slots": slots,
            "per_host": CONCURRENCY_PER_HOST,
            "hosts": list(busy.keys()),
            "counts": list(busy.values()),
            "full_hosts": [host for host, callbacks in busy.items() if callbacks >= CONCURRENCY_PER_HOST],
        }
        async with self.database.transaction() as connection:
            due = (await connection.execute(DUE, parameters)).scalars().all()
            if not due:
                return (), await seconds_until_due(connection, transport="http")
        claimed: list[Row[Any]] = []

        async def claim(ids: Sequence[int]) -> None:
            async with self.database.transaction() as connection:
                claimed.extend((await connection.execute(CLAIM, {"ids": ids, "lease": self.lease})).all())

        if failures := await isolate(due, claim):
            await self._failures.failed(failures)
        # Those that another relay has claimed in the meantime are not asked for again without a rest.
        return claimed, None if claimed else MIN_REST_SECONDS

    async def _deliver(self, row: Row[Any]) -> None:
        try:
            await self._handle(row)
        # The outermost frame of a delivery: nothing above it could continue. It is sent again after its lease.
        except Exception as error:
            if is_infrastructure_error(error):
                OUTAGES.report(self.name, error)
            else:
                log.exception("item.failure_not_recorded", worker=self.name, item=str(row.id))
        finally:
            self._in_progress[row.key] -= 1
            self.wakeup.wake()

    async def _handle(self, row: Row[Any]) -> None:
        """Send it and mark it; one that cannot be marked is counted, sent again, and set aside in the end."""
        try:
            await self._record(row, await self._send(row))
        except Exception as error:
            if is_infrastructure_error(error):
                raise
            await self._failures.failed([Failure(row.id, error)])

    async def _send(self, row: Row[Any]) -> Refusal | None:
        """None when it was delivered; a message that cannot be sent at all gets a final refusal."""
        try:
            return await self.sender.post(outgoing(row))
        except Exception as error:
            if is_infrastructure_error(error):
                raise
            log.warning("callback.unsendable", event_id=str(row.event_id), host=row.key, exc_info=error)
            return Refusal(reason=error_text(error), final=True)

    async def _record(self, row: Row[Any], refusal: Refusal | None) -> None:
        async with self.database.transaction() as connection:
            if refusal is None:
                await mark_sent(connection, [row.id])
                outcomes: Sequence[Row[Any]] = ()
            else:
                outcomes = await mark_refused(connection, {row.id: refusal}, policy=self.policy)
        self.metrics.outbox.sent.labels("http").inc(refusal is None)
        report_refused(outcomes, transport="http", metrics=self.metrics)
