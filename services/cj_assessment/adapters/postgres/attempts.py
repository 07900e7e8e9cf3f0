"""The attempts to have comparisons judged."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from service_kit.storage.database import named_rows
from service_kit.storage.leases import leased_keys
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters.postgres import attempts_sql as sql
from cj_assessment.adapters.postgres.attempts_rows import ANSWERS, unsent
from cj_assessment.adapters.postgres.due import rest_until
from cj_assessment.domain.batch import JobId
from cj_assessment.domain.comparison import Answer, AttemptId, AttemptPolicy, UnsentAttempt
from cj_assessment.ports import Due, Recorded, Usage

NO_ANSWER = "the LLM Provider did not answer in time"


class PostgresAttempts:
    """Implements ``ports.Attempts``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def take_waiting(self, *, limit: int) -> Due[JobId]:
        rows = await self._connection.execute(sql.TAKE_WAITING, {"limit": limit})
        keys = [JobId(key) for key in rows.scalars()]
        return Due(keys=keys, rest_seconds=rest_until(await self._connection.scalar(sql.NEXT_UNSENT)))

    async def start(
        self, job_ids: Collection[JobId], *, limit: int, policy: AttemptPolicy
    ) -> Sequence[UnsentAttempt]:
        jobs = list(job_ids)
        locked = (await self._connection.execute(sql.LOCK_CAPPED, {"job_ids": jobs})).scalars().all()
        rows = await self._connection.execute(
            sql.START_ATTEMPTS,
            {
                "job_ids": jobs,
                "locked": list(locked),
                "limit": limit,
                "lease": policy.resend_after,
                "within": policy.answer_timeout,
            },
        )
        return [unsent(row) for row in named_rows(rows)]

    async def take_unsent(
        self, job_ids: Collection[JobId], *, limit: int, policy: AttemptPolicy
    ) -> Sequence[UnsentAttempt]:
        rows = await self._connection.execute(
            sql.TAKE_UNSENT,
            {
                "job_ids": list(job_ids),
                "limit": limit,
                "lease": policy.resend_after,
                "within": policy.answer_timeout,
            },
        )
        return [unsent(row) for row in named_rows(rows)]

    async def release(self, attempts: Collection[AttemptId]) -> None:
        await self._connection.execute(sql.RELEASE, {"ids": list(attempts)})

    async def mark_sent(self, request_ids: Mapping[AttemptId, str], *, policy: AttemptPolicy) -> None:
        await self._connection.execute(
            sql.MARK_SENT,
            {
                "ids": list(request_ids),
                "request_ids": list(request_ids.values()),
                "within": policy.answer_timeout,
                "relaxed_timeout": policy.relaxed_answer_timeout,
            },
        )

    async def mark_refused(self, refusals: Mapping[AttemptId, tuple[str, str]]) -> None:
        await self._connection.execute(
            sql.MARK_REFUSED,
            {
                "ids": list(refusals),
                "codes": [code for code, _ in refusals.values()],
                "messages": [message for _, message in refusals.values()],
            },
        )

    async def record(self, answers: Sequence[Answer]) -> Recorded:
        if not answers:
            return Recorded()
        rows = named_rows(await self._connection.execute(sql.RECORD_ANSWERS, ANSWERS.parameters(answers)))
        new = [row["id"] for row in rows if row["recorded"]]
        await self._connection.execute(sql.SETTLE_JUDGED, {"ids": new})
        await self._connection.execute(sql.SETTLE_FAILED, {"ids": new})
        return Recorded(
            new=len(new),
            repeated=sum(row["matches"] and not row["recorded"] for row in rows),
            unknown=sum(not row["known"] for row in rows),
            mismatched=sum(row["known"] and not row["matches"] for row in rows),
            late=sum(row["matches"] and row["late"] for row in rows),
        )

    async def take_overdue(self, *, limit: int) -> Due[AttemptId]:
        rows = await self._connection.execute(sql.TAKE_OVERDUE, {"limit": limit})
        if keys := [AttemptId(key) for key in rows.scalars()]:
            return Due(keys=keys, rest_seconds=0)
        return Due(keys=(), rest_seconds=rest_until(await self._connection.scalar(sql.NEXT_OVERDUE)))

    async def request_ids(self, attempts: Collection[AttemptId]) -> Mapping[AttemptId, str | None]:
        rows = await self._connection.execute(sql.REQUEST_IDS, {"ids": list(attempts)})
        return {AttemptId(row.id): row.request_id for row in rows}

    async def expire(
        self, attempts: Collection[AttemptId], *, lost: Collection[AttemptId], policy: AttemptPolicy
    ) -> None:
        await self._connection.execute(
            sql.EXPIRE_ATTEMPTS,
            {
                "ids": list(attempts),
                "lost": list(lost),
                "max_attempts": policy.max_attempts,
                "message": NO_ANSWER,
            },
        )

    async def take_withdrawable(self, *, limit: int, lease: timedelta) -> Due[AttemptId]:
        values = {"limit": limit, "lease": lease}
        found = await leased_keys(
            self._connection, sql.TAKE_WITHDRAWABLE, due=sql.DUE_TO_WITHDRAW, values=values
        )
        keys = [AttemptId(key) for key in found]
        return Due(keys=keys, rest_seconds=0 if len(keys) == limit else None)

    async def mark_withdrawn(self, attempts: Collection[AttemptId]) -> None:
        await self._connection.execute(sql.MARK_WITHDRAWN, {"ids": list(attempts)})

    async def usage(self, job_id: JobId) -> Usage:
        row = (await self._connection.execute(sql.USAGE, {"job_id": job_id})).one()
        return Usage(billed=row.billed, outstanding=row.outstanding)

    async def job_id_of(self, attempt: AttemptId) -> JobId | None:
        found = await self._connection.scalar(sql.JOB_OF, {"id": attempt})
        return None if found is None else JobId(found)
