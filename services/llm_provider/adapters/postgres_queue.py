"""The durable queue in PostgreSQL."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from event_contracts import RequestStatus
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters import sql_queue as sql
from llm_provider.adapters.postgres_meters import MeterRules
from llm_provider.adapters.postgres_outbox import PostgresOutbox
from llm_provider.adapters.postgres_rows import NEW_REQUEST, row_of, status_of, taken_of
from llm_provider.adapters.tables import judge_request
from llm_provider.domain.calls import Ended
from llm_provider.domain.fairness import Lane, Standing, fair_turns, turn_of_the_returned
from llm_provider.domain.request import JudgeRequest, Place, QueueId, Taken
from llm_provider.ports import KnownKey, PlaceCount, Postponed, QueueDepth


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
        return QueueDepth(open=row[0], requests_per_minute=row[1])

    async def known_keys(self, keys: Sequence[str]) -> Mapping[str, KnownKey]:
        if not keys:
            return {}
        return _known(await self._connection.execute(sql.KNOWN_KEYS, {"keys": keys}))

    async def add(self, requests: Sequence[JudgeRequest]) -> Mapping[str, KnownKey]:
        if not requests:
            return {}
        waiting = [request for request in requests if _first_place(request) is Place.WAITING]
        lanes = [request.lane for request in waiting]
        turns = fair_turns(lanes, standings=await self._standings(lanes))
        turn_of = dict(zip((request.queue_id for request in waiting), turns, strict=True))
        rows = [
            row_of(request, place=_first_place(request), turn=turn_of.get(request.queue_id))
            for request in requests
        ]
        columns = dict(zip(NEW_REQUEST, zip(*rows, strict=True), strict=True))
        added = _known(await self._connection.execute(sql.ADD, columns))
        keys = {request.idempotency_key for request in requests}
        return {**added, **await self.known_keys(sorted(keys - added.keys()))}

    async def _standings(self, lanes: Collection[Lane]) -> Mapping[Lane, Standing]:
        distinct = list(dict.fromkeys(lanes))
        rows = await self._connection.execute(
            sql.STANDINGS,
            {
                "providers": [lane.provider for lane in distinct],
                "models": [lane.model for lane in distinct],
                "priorities": [lane.priority for lane in distinct],
                "callers": [lane.caller for lane in distinct],
            },
        )
        return {
            Lane(provider=row.provider, model=row.model, priority=row.priority, caller=row.caller): Standing(
                head=row.head, last=row.last
            )
            for row in rows
        }

    async def take(self, *, provider: str, worker: UUID, limit: int) -> Sequence[Taken]:
        account = {"provider": provider, "key": self._rules.key_of(provider)}
        models = (await self._connection.execute(sql.LOCK_METERS, account)).scalars().all()
        if not models:
            return ()
        pacing = self._rules.pacing
        rows = await self._connection.execute(
            sql.TAKE,
            {
                **account,
                "models": models,
                "limit": limit,
                "share": pacing.share,
                "burst": pacing.burst,
                "lease": self._rules.lease,
                "worker": worker,
            },
        )
        return taken_of(rows)

    async def renew(self, worker: UUID) -> int:
        renewed = await self._connection.execute(sql.RENEW, {"worker": worker, "lease": self._rules.lease})
        return renewed.rowcount

    async def release(self, worker: UUID) -> None:
        await self._connection.execute(sql.RELEASE, {"worker": worker})

    async def give_back(self, taken: Sequence[Taken], *, worker: UUID) -> None:
        await self._connection.execute(
            sql.GIVE_BACK, {"ids": [one.queue_id for one in taken], "worker": worker}
        )

    async def return_due(self, *, limit: int) -> int:
        rows = (await self._connection.execute(sql.LOCK_DUE, {"limit": limit})).all()
        if not rows:
            return 0
        lanes = [
            Lane(provider=row.provider, model=row.model, priority=row.priority, caller=row.caller)
            for row in rows
        ]
        standings = await self._standings(lanes)
        fair = fair_turns(lanes, standings=standings)
        turns = [
            turn_of_the_returned(standings[lane]) if row.attempts else turn
            for row, lane, turn in zip(rows, lanes, fair, strict=True)
        ]
        await self._connection.execute(sql.RETURN, {"ids": [row.id for row in rows], "turns": turns})
        return len(rows)

    async def end(self, ended: Sequence[Ended]) -> None:
        if not ended:
            return
        rows = await self._connection.execute(
            sql.END,
            {
                "ids": [one.taken.queue_id for one in ended],
                "places": [one.place for one in ended],
                "results": [one.result.model_dump_json() for one in ended],
                "costs": [one.cost.known_usd for one in ended],
                "prices_known": [one.cost.is_known for one in ended],
            },
        )
        first = set(rows.scalars())
        self._outbox.call_back(
            [(one.taken.request, one.result) for one in ended if one.taken.queue_id in first]
        )

    async def postpone(self, postponed: Sequence[Postponed]) -> None:
        if not postponed:
            return
        ids = [one.taken.queue_id for one in postponed]
        await self._connection.execute(
            sql.ADD_SPENT,
            {
                "ids": ids,
                "costs": [one.cost.known_usd for one in postponed],
                "prices_known": [one.cost.is_known for one in postponed],
                "failures": [int(one.counts) for one in postponed],
                "error_codes": [one.error_code for one in postponed],
            },
        )
        await self._connection.execute(
            sql.POSTPONE,
            {
                "ids": ids,
                "attempts": [one.taken.attempts for one in postponed],
                "pauses": [one.pause for one in postponed],
            },
        )

    async def take_expired(self, *, limit: int) -> Sequence[Taken]:
        rows = await self._connection.execute(sql.TAKE_EXPIRED, {"limit": limit})
        return taken_of(rows)

    async def lock_open(self, queue_id: QueueId) -> Taken | None:
        found = taken_of(await self._connection.execute(sql.LOCK_OPEN, {"id": queue_id}))
        return found[0] if found else None

    async def status(self, queue_id: QueueId) -> RequestStatus | None:
        rows = await self._connection.execute(select(judge_request).where(judge_request.c.id == queue_id))
        row = rows.first()
        return None if row is None else status_of(row)

    async def forget_prompts(self, *, older_than: timedelta) -> int:
        return (await self._connection.execute(sql.FORGET, {"age": older_than})).rowcount

    async def counts(self) -> Sequence[PlaceCount]:
        return [
            PlaceCount(provider=row.provider, place=Place(row.state), requests=row.requests)
            for row in await self._connection.execute(sql.COUNTS)
        ]

    async def open_models(self) -> Sequence[tuple[str, str]]:
        return [(row.provider, row.model) for row in await self._connection.execute(sql.OPEN_MODELS)]


def _known(rows: Iterable[Row[Any]]) -> Mapping[str, KnownKey]:
    return {row[0]: KnownKey(queue_id=QueueId(row[1]), body_sha256=row[2]) for row in rows}


def _first_place(request: JudgeRequest) -> Place:
    if request.is_relaxed:
        return Place.RELAXED
    return Place.LATER if request.not_before > request.requested_at else Place.WAITING
