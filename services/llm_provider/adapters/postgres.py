"""The service's database: the durable queue of judge requests, the books, and the outbox."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from event_contracts import LLMComparisonResultV1, PromptBlock, RequestState, RequestStatus
from pydantic import TypeAdapter
from service_kit.database import Database
from service_kit.outbox import OutgoingMessage, bus_message, callback_message, enqueue
from sqlalchemy import Row, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters.tables import judge_request, outbox, provider_call
from llm_provider.domain.request import JudgeParameters, JudgeRequest, Prompt, QueueId
from llm_provider.ports import CallRecord, Finished, KnownKey, Postponed

_WAITING = text(
    "SELECT count(*) FROM (SELECT 1 FROM judge_request WHERE completed_at IS NULL LIMIT :at_most) AS open"
)
_TAKE = text(
    """
    UPDATE judge_request SET due_at = now() + CAST(:lease AS interval), attempts = attempts + 1
    WHERE id IN (
        SELECT id FROM judge_request
        WHERE completed_at IS NULL AND provider = :provider AND due_at <= now() AND expires_at > now()
        ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    RETURNING *
    """
)
# Only a request without a result gets one: whoever comes second sends nothing.
_FINISH = text(
    """
    UPDATE judge_request SET completed_at = now(), result = CAST(done.result AS jsonb)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:results AS text[])) AS done (id, result)
    WHERE judge_request.id = done.id AND judge_request.completed_at IS NULL
    RETURNING judge_request.id
    """
)
_POSTPONE = text(
    """
    UPDATE judge_request SET
        due_at = least(now() + later.pause, expires_at),
        spent_usd = spent_usd + later.cost, last_error_code = later.error_code
    FROM unnest(CAST(:ids AS uuid[]), CAST(:pauses AS interval[]), CAST(:costs AS numeric[]),
                CAST(:error_codes AS text[])) AS later (id, pause, cost, error_code)
    WHERE judge_request.id = later.id AND judge_request.completed_at IS NULL
    """
)
_TAKE_EXPIRED = text(
    """
    SELECT * FROM judge_request
    WHERE completed_at IS NULL AND expires_at <= now() AND due_at <= now()
    ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)
_FORGET = text(
    """
    UPDATE judge_request SET system = NULL, blocks = NULL
    WHERE completed_at < now() - CAST(:age AS interval) AND completed_at IS NOT NULL AND blocks IS NOT NULL
    """
)
_BLOCKS = TypeAdapter(tuple[PromptBlock, ...])


class PostgresStore:
    """Opens transactions; the relays are woken after each commit that sent something."""

    def __init__(self, database: Database, *, wake_relays: Callable[[], None]) -> None:
        self._database = database
        self._wake_relays = wake_relays

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresTransaction"]:
        async with self._database.transaction() as connection:
            transaction = PostgresTransaction(connection)
            yield transaction
        if transaction.has_sent:
            self._wake_relays()


class PostgresTransaction:
    """Implements ``ports.Transaction`` on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.has_sent = False

    async def waiting(self, *, at_most: int) -> int:
        return int(await self._connection.scalar(_WAITING, {"at_most": at_most}) or 0)

    async def add_requests(self, requests: Sequence[JudgeRequest]) -> Mapping[str, KnownKey]:
        await self._connection.execute(
            upsert(judge_request).on_conflict_do_nothing(index_elements=["idempotency_key"]),
            [_columns(request) for request in requests],
        )
        return await self.known_keys([request.idempotency_key for request in requests])

    async def known_keys(self, keys: Sequence[str]) -> Mapping[str, KnownKey]:
        rows = await self._connection.execute(
            select(judge_request.c.idempotency_key, judge_request.c.id, judge_request.c.body_sha256).where(
                judge_request.c.idempotency_key.in_(keys)
            )
        )
        return {row[0]: KnownKey(queue_id=QueueId(row[1]), body_sha256=row[2]) for row in rows}

    async def take(self, *, provider: str, limit: int, lease: timedelta) -> Sequence[JudgeRequest]:
        rows = await self._connection.execute(_TAKE, {"provider": provider, "limit": limit, "lease": lease})
        return [_request(row) for row in rows]

    async def record_calls(self, calls: Sequence[CallRecord]) -> None:
        if calls:
            await self._connection.execute(insert(provider_call), [_call_columns(call) for call in calls])

    async def finish(self, finished: Sequence[Finished]) -> int:
        if not finished:
            return 0
        rows = await self._connection.execute(
            _FINISH,
            {
                "ids": [one.queue_id for one in finished],
                "results": [one.result.model_dump_json() for one in finished],
            },
        )
        first = set(rows.scalars())
        messages = [message for one in finished if one.queue_id in first for message in _messages(one)]
        await enqueue(self._connection, outbox, messages)
        self.has_sent = True
        return len(first)

    async def postpone(self, postponed: Sequence[Postponed]) -> None:
        if not postponed:
            return
        await self._connection.execute(
            _POSTPONE,
            {
                "ids": [one.queue_id for one in postponed],
                "pauses": [one.pause for one in postponed],
                "costs": [one.cost_usd for one in postponed],
                "error_codes": [one.error_code for one in postponed],
            },
        )

    async def take_expired(self, *, limit: int) -> Sequence[JudgeRequest]:
        rows = await self._connection.execute(_TAKE_EXPIRED, {"limit": limit})
        return [_request(row) for row in rows]

    async def status(self, queue_id: QueueId) -> RequestStatus | None:
        rows = await self._connection.execute(select(judge_request).where(judge_request.c.id == queue_id))
        row = rows.first()
        return None if row is None else _status(row)

    async def forget_prompts(self, *, older_than: timedelta) -> int:
        return (await self._connection.execute(_FORGET, {"age": older_than})).rowcount


def _messages(finished: Finished) -> list[OutgoingMessage]:
    key = finished.callback.key
    messages = [bus_message(event, key=event.key) for event in finished.announcements]
    if finished.callback_topic is not None:
        messages.append(bus_message(finished.callback, key=key, topic=finished.callback_topic))
    if finished.callback_url is not None:
        messages.append(callback_message(finished.callback, url=finished.callback_url))
    return messages


def _columns(request: JudgeRequest) -> dict[str, object]:
    return {
        "id": request.queue_id,
        "idempotency_key": request.idempotency_key,
        "body_sha256": request.body_sha256,
        "provider": request.parameters.provider,
        "model": request.parameters.model,
        "parameters": request.parameters.as_json(),
        "system": request.prompt.system,
        "blocks": [block.model_dump(mode="json") for block in request.prompt.blocks],
        "prompt_sha256": request.prompt_sha256,
        "sample": request.sample,
        "callback_topic": request.callback_topic,
        "callback_url": request.callback_url,
        "correlation_id": request.correlation_id,
        "user_id": request.user_id,
        "metadata": request.metadata,
        "requested_at": request.requested_at,
        "expires_at": request.expires_at,
        "due_at": request.requested_at,
    }


def _call_columns(call: CallRecord) -> dict[str, object]:
    columns = asdict(call)
    usage = columns.pop("usage")
    tokens = {f"{name}_tokens": count for name, count in usage.items()}
    return {"request": columns.pop("queue_id"), **columns, **tokens}


def _request(row: Row[Any]) -> JudgeRequest:
    return JudgeRequest(
        queue_id=QueueId(row.id),
        idempotency_key=row.idempotency_key,
        body_sha256=row.body_sha256,
        prompt=Prompt(system=row.system, blocks=_BLOCKS.validate_python(row.blocks)),
        prompt_sha256=row.prompt_sha256,
        parameters=JudgeParameters(provider=row.provider, model=row.model, **row.parameters),
        sample=row.sample,
        callback_topic=row.callback_topic,
        callback_url=row.callback_url,
        correlation_id=row.correlation_id,
        user_id=row.user_id,
        metadata=row.metadata,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        attempts=row.attempts,
        spent_usd=row.spent_usd,
    )


def _status(row: Row[Any]) -> RequestStatus:
    result = None if row.result is None else LLMComparisonResultV1.model_validate(row.result)
    return RequestStatus(
        queue_id=row.id,
        status=_state(row, result),
        correlation_id=row.correlation_id,
        attempts=row.attempts,
        requested_at=row.requested_at,
        completed_at=row.completed_at,
        provider=row.provider,
        model=row.model,
        result=result,
    )


def _state(row: Row[Any], result: LLMComparisonResultV1 | None) -> RequestState:
    if result is None:
        return RequestState.PROCESSING if row.attempts else RequestState.QUEUED
    if result.error_detail is None:
        return RequestState.COMPLETED
    return RequestState.EXPIRED if result.error_detail.error_code == "TIMEOUT" else RequestState.FAILED
