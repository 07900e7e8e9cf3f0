"""The durable queue in PostgreSQL."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from event_contracts import RequestStatus
from service_kit.storage.database import named_rows
from sqlalchemy import Row, TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters.postgres import queue_sql as sql
from llm_provider.adapters.postgres.meters import MeterRules
from llm_provider.adapters.postgres.outbox import PostgresOutbox
from llm_provider.adapters.postgres.request_rows import (
    NEW_REQUESTS,
    QueuedRequest,
    leased_for_end,
    read_rows,
    status_of,
)
from llm_provider.domain.calls.call import EndedRequest
from llm_provider.domain.calls.errors import RateLimitReached, is_vendor_failure
from llm_provider.domain.requests.fair_turns import Lane, LanePosition, fair_turns, head_turn
from llm_provider.domain.requests.request import JudgeRequest, LeasedRequest, QueueId, QueueState
from llm_provider.ports import DelayedRequest, Due, KnownKey, QueueDepth, Rows, StateCount


class PostgresQueue:
    """The queue, in one transaction."""

    def __init__(self, connection: AsyncConnection, rules: MeterRules, outbox: PostgresOutbox) -> None:
        self._connection = connection
        self._rules = rules
        self._outbox = outbox

    async def depth(self, *, at_most: int, models: Collection[tuple[str, str]]) -> QueueDepth:
        found = await self._connection.execute(
            sql.DEPTH,
            {
                "at_most": at_most,
                "providers": [provider for provider, _ in models],
                "models": [model for _, model in models],
            },
        )
        row = found.one()
        return QueueDepth(open=row.open_requests, requests_per_minute=row.requests_per_minute)

    async def known_keys(self, keys: Sequence[str]) -> Mapping[str, KnownKey]:
        if not keys:
            return {}
        return _known(await self._connection.execute(sql.KNOWN_KEYS, {"keys": keys}))

    async def add(self, requests: Sequence[JudgeRequest]) -> Mapping[str, KnownKey]:
        if not requests:
            return {}
        waiting = [request for request in requests if request.first_state is QueueState.WAITING]
        lanes = [request.lane for request in waiting]
        turns = fair_turns(lanes, positions=await self._positions(lanes))
        turn_of = dict(zip((request.queue_id for request in waiting), turns, strict=True))
        columns = NEW_REQUESTS.parameters(
            QueuedRequest(request=request, turn=turn_of.get(request.queue_id)) for request in requests
        )
        added = _known(await self._connection.execute(sql.ADD, columns))
        keys = {request.idempotency_key for request in requests}
        return {**added, **await self.known_keys(sorted(keys - added.keys()))}

    async def _positions(self, lanes: Collection[Lane]) -> Mapping[Lane, LanePosition]:
        distinct = list(dict.fromkeys(lanes))
        rows = await self._connection.execute(
            sql.LANE_POSITIONS,
            {
                "providers": [lane.provider for lane in distinct],
                "models": [lane.model for lane in distinct],
                "priorities": [lane.priority for lane in distinct],
                "callers": [lane.caller for lane in distinct],
            },
        )
        return {
            Lane(
                provider=row.provider, model=row.model, priority=row.priority, caller=row.caller
            ): LanePosition(head=row.head, last=row.last)
            for row in rows
        }

    async def take(
        self, *, provider: str, worker: UUID, limit: int, among: Sequence[QueueId] | None = None
    ) -> Rows:
        account = self._account(provider)
        models = (await self._connection.execute(sql.LOCK_METERS, account)).scalars().all()
        if not models:
            return Rows()
        pacing = self._rules.pacing
        rows = await self._connection.execute(
            sql.TAKE,
            {
                **account,
                "models": models,
                "limit": limit,
                "among": None if among is None else list(among),
                "share": pacing.share,
                "burst": pacing.burst,
                "lease": self._rules.lease,
                "worker": worker,
            },
        )
        return read_rows(rows)

    async def next_waiting(self, *, provider: str, limit: int) -> Sequence[QueueId]:
        found = await self._connection.execute(sql.NEXT_WAITING, {"provider": provider, "limit": limit})
        return [QueueId(queue_id) for queue_id in found.scalars()]

    async def next_grant_seconds(self, *, provider: str) -> float | None:
        return await self._seconds(sql.NEXT_GRANT, self._account(provider))

    async def renew(self, held: Sequence[LeasedRequest], *, worker: UUID) -> None:
        await self._connection.execute(
            sql.RENEW, {**_leases(held), "worker": worker, "lease": self._rules.lease}
        )

    async def release(self, held: Sequence[LeasedRequest], *, worker: UUID) -> None:
        await self._connection.execute(sql.RELEASE, {**_leases(held), "worker": worker})

    async def return_unused(self, leased: Sequence[LeasedRequest], *, worker: UUID) -> None:
        await self._connection.execute(sql.RETURN_UNUSED, {**_leases(leased), "worker": worker})

    async def due_to_return(self, *, limit: int, max_attempts: int) -> Due[QueueId]:
        bounds = {"limit": limit, "max_attempts": max_attempts}
        return await self._due(sql.DUE_TO_RETURN, bounds, then=sql.NEXT_RETURN)

    async def return_to_queue(self, queue_ids: Sequence[QueueId], *, max_attempts: int) -> None:
        locked = {"ids": list(queue_ids), "max_attempts": max_attempts}
        rows = (await self._connection.execute(sql.LOCK_DUE, locked)).all()
        if not rows:
            return
        lanes = [
            Lane(provider=row.provider, model=row.model, priority=row.priority, caller=row.caller)
            for row in rows
        ]
        positions = await self._positions(lanes)
        fair = fair_turns(lanes, positions=positions)
        turns = [
            head_turn(positions[lane]) if row.attempts else turn
            for row, lane, turn in zip(rows, lanes, fair, strict=True)
        ]
        await self._connection.execute(sql.RETURN, {"ids": [row.id for row in rows], "turns": turns})

    async def due_to_end(self, *, limit: int, max_attempts: int) -> Due[QueueId]:
        bounds = {"limit": limit, "max_attempts": max_attempts}
        return await self._due(sql.DUE_TO_END, bounds, then=sql.NEXT_EXPIRY)

    async def due_to_give_up(self, *, outage_timeout: timedelta, limit: int) -> Due[QueueId]:
        bounds = {**self._rules.accounts, "outage_timeout": outage_timeout, "limit": limit}
        return await self._due(sql.DUE_TO_GIVE_UP, bounds)

    async def _due(
        self, statement: TextClause, bounds: Mapping[str, object], *, then: TextClause | None = None
    ) -> Due[QueueId]:
        found = await self._connection.execute(statement, bounds)
        queue_ids = [QueueId(queue_id) for queue_id in found.scalars()]
        if len(queue_ids) == bounds["limit"]:
            return Due(keys=queue_ids, rest_seconds=0.0)
        seconds = None if then is None else await self._seconds(then, {})
        return Due(keys=queue_ids, rest_seconds=seconds)

    async def lock_due_to_end(
        self, queue_ids: Sequence[QueueId], *, max_attempts: int
    ) -> Sequence[LeasedRequest]:
        values = {"ids": list(queue_ids), "max_attempts": max_attempts}
        return await self._locked_for_end(sql.LOCK_DUE_TO_END, values)

    async def lock_waiting(self, queue_ids: Sequence[QueueId]) -> Sequence[LeasedRequest]:
        return await self._locked_for_end(sql.LOCK_WAITING, {"ids": list(queue_ids)})

    async def _locked_for_end(
        self, statement: TextClause, values: Mapping[str, object]
    ) -> Sequence[LeasedRequest]:
        return [leased_for_end(row) for row in named_rows(await self._connection.execute(statement, values))]

    async def lock_for_end(self, queue_id: QueueId) -> LeasedRequest | None:
        found = await self._locked_for_end(sql.LOCK_OPEN, {"ids": [queue_id]})
        return found[0] if found else None

    async def cancelled(self, queue_ids: Sequence[QueueId]) -> frozenset[QueueId]:
        rows = await self._connection.execute(sql.CANCELLED, {"ids": list(queue_ids)})
        return frozenset(QueueId(queue_id) for queue_id in rows.scalars())

    async def request_cancel(self, queue_id: QueueId) -> bool:
        rows = await self._connection.execute(sql.REQUEST_CANCEL, {"id": queue_id})
        return rows.first() is not None

    async def end(self, ended: Sequence[EndedRequest]) -> None:
        if not ended:
            return
        rows = await self._connection.execute(
            sql.END,
            {
                "ids": [one.leased.queue_id for one in ended],
                "states": [one.state for one in ended],
                "results": [one.result.model_dump_json() for one in ended],
                "costs": [one.cost.known_usd for one in ended],
                "prices_known": [one.cost.is_known for one in ended],
                "paid_calls": [one.paid_calls for one in ended],
            },
        )
        first = set(rows.scalars())
        self._outbox.call_back(
            [(one.leased.request, one.result) for one in ended if one.leased.queue_id in first]
        )

    async def delay(self, delayed: Sequence[DelayedRequest]) -> None:
        if not delayed:
            return
        calls = [one.call for one in delayed]
        ids = [call.queue_id for call in calls]
        errors = [call.error for call in calls]
        await self._connection.execute(
            sql.ADD_FAILED_CALLS,
            {
                "ids": ids,
                "costs": [call.cost.known_usd for call in calls],
                "prices_known": [call.cost.is_known for call in calls],
                "failures": [int(not isinstance(error, RateLimitReached)) for error in errors],
                "paid_calls": [int(call.may_be_billed) for call in calls],
                "vendor_failed": [error is not None and is_vendor_failure(error) for error in errors],
                "ended_at": [call.ended_at for call in calls],
                "error_codes": [call.outcome_code for call in calls],
                "error_messages": [None if error is None else error.message for error in errors],
            },
        )
        await self._connection.execute(
            sql.DELAY,
            {
                "ids": ids,
                "attempts": [call.leased.attempts for call in calls],
                "delays": [one.delay for one in delayed],
            },
        )

    async def status(self, queue_id: QueueId) -> RequestStatus | None:
        rows = named_rows(
            await self._connection.execute(sql.STATUS, {**self._rules.accounts, "id": queue_id})
        )
        return status_of(rows[0]) if rows else None

    async def counts(self) -> Sequence[StateCount]:
        return [
            StateCount(
                provider=row.provider,
                state=QueueState(row.state),
                requests=row.requests,
                oldest_seconds=float(row.oldest_seconds),
            )
            for row in await self._connection.execute(sql.COUNTS)
        ]

    async def _seconds(self, statement: TextClause, values: Mapping[str, object]) -> float | None:
        found = await self._connection.scalar(statement, values)
        return None if found is None else max(0.0, float(found))

    def _account(self, provider: str) -> dict[str, object]:
        return {"provider": provider, "key": self._rules.key_of(provider)}

    async def open_models(self) -> Sequence[tuple[str, str]]:
        return [(row.provider, row.model) for row in await self._connection.execute(sql.OPEN_MODELS)]


def _known(rows: Iterable[Row[Any]]) -> Mapping[str, KnownKey]:
    return {
        row.idempotency_key: KnownKey(queue_id=QueueId(row.id), body_sha256=row.body_sha256) for row in rows
    }


def _leases(held: Sequence[LeasedRequest]) -> dict[str, object]:
    return {"ids": [one.queue_id for one in held], "attempts": [one.attempts for one in held]}
