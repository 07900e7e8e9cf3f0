"""Comparisons and attempts in memory, held to the same behaviour as those in PostgreSQL."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

from cj_assessment.adapters.postgres.attempts import NO_ANSWER
from cj_assessment.domain.batch import BatchRecord, JobId
from cj_assessment.domain.comparison import (
    Answer,
    Asked,
    AttemptId,
    AttemptPolicy,
    PlannedComparison,
    UnsentAttempt,
)
from cj_assessment.domain.deciding import Spending
from cj_assessment.domain.deciding.snapshot import OPEN
from cj_assessment.ports import Due, Progress, Recorded, Usage
from cj_assessment.ports.worker_names import EXPIRE, SUBMIT, WITHDRAW
from cj_assessment.tests.memory.rows import AttemptRow, ComparisonRow, Now, State, rest_until
from event_contracts import AssessmentState, ComparisonPage, ComparisonState, ComparisonView, LogOdds, Winner


class MemoryComparisons:
    """Implements ``ports.Comparisons``."""

    def __init__(self, state: State, now: Now) -> None:
        self._state, self._now = state, now

    async def asked(self, job_id: JobId) -> Sequence[Asked]:
        return [
            Asked(
                round=row.round,
                slot_a=row.planned.slot_a,
                slot_b=row.planned.slot_b,
                state=row.state,
                a_won=row.a_won,
                judge=row.judge,
                error_code=row.error_code,
                assigned=row.planned.assigned,
                chosen_by=row.planned.chosen_by,
                margin=row.margin,
                confidence=row.confidence,
                log_odds_a=row.log_odds_a,
            )
            for row in self._state.comparisons_of(job_id)
        ]

    async def spending(self, job_id: JobId) -> Spending:
        attempts = self._state.attempts_of(job_id)
        pending = [
            row.cap_usd for row in self._state.comparisons_of(job_id) if row.state is ComparisonState.PENDING
        ]
        return Spending(
            cost_usd=sum((row.cost_usd for row in attempts), Decimal(0)),
            reserved_usd=sum(
                (row.reserved_usd for row in attempts if row.outcome in (None, "expired")), Decimal(0)
            ),
            pending_usd=sum(pending, Decimal(0)),
            outstanding=sum(row.outcome is None for row in attempts),
            answered=sum(row.outcome == "answered" for row in attempts),
        )

    async def stopping_codes(self, job_id: JobId) -> frozenset[str]:
        answers = [row.answer for row in self._state.attempts_of(job_id) if row.answer is not None]
        return frozenset(answer.error_code for answer in answers if answer.stops_batch and answer.error_code)

    async def progress(self, job_id: JobId) -> Progress:
        rows = self._state.comparisons_of(job_id)
        states = Counter(row.state for row in rows)
        answers = [row.answer for row in self._state.attempts_of(job_id) if row.answer is not None]
        return Progress(
            pending=states[ComparisonState.PENDING],
            submitted=states[ComparisonState.SUBMITTED],
            judged=states[ComparisonState.JUDGED],
            failed=states[ComparisonState.FAILED],
            abandoned=states[ComparisonState.ABANDONED],
            cost_usd=sum((answer.cost_usd for answer in answers), Decimal(0)),
            prices_known=all(answer.price_known for answer in answers),
            last_judged_at=max((row.judged_at for row in rows if row.judged_at), default=None),
        )

    async def add_round(
        self, job_id: JobId, *, number: int, pairs: Sequence[PlannedComparison], caps: Sequence[Decimal]
    ) -> None:
        for pair in pairs:
            self._state.ids += 1
            row = ComparisonRow(
                id=self._state.ids, job_id=job_id, round=number, planned=pair, cap_usd=caps[pair.assigned]
            )
            self._state.comparisons[row.id] = row

    async def page(self, batch: BatchRecord, *, after: int, limit: int) -> ComparisonPage:
        rows = self._state.comparisons_of(batch.job_id)
        shown = [row for row in rows if row.id > after][:limit]
        return ComparisonPage(
            batch_id=batch.batch_id,
            total=len(rows),
            items=tuple(self._view(row) for row in shown),
            next_cursor=str(shown[-1].id) if len(shown) == limit else None,
        )

    def _view(self, row: ComparisonRow) -> ComparisonView:
        essays = self._state.essays[row.job_id]
        winner = None if row.a_won is None else (Winner.ESSAY_A if row.a_won else Winner.ESSAY_B)
        return ComparisonView(
            comparison_id=str(row.id),
            essay_a_id=essays[row.planned.slot_a].essay_id,
            essay_b_id=essays[row.planned.slot_b].essay_id,
            round=row.round,
            state=row.state,
            winner=winner,
            margin=row.margin,
            log_odds_a=None if row.log_odds is None else LogOdds.model_validate_json(row.log_odds),
            attempts=row.attempts,
            cost_usd=Decimal(0),
            error_code=row.error_code,
            judged_at=row.judged_at,
        )


class MemoryAttempts:
    """Implements ``ports.Attempts``."""

    def __init__(self, state: State, now: Now) -> None:
        self._state, self._now = state, now

    async def take_waiting(self, *, limit: int) -> Due[JobId]:
        unsent = [row for row in self._unsent() if row.comparison.state is ComparisonState.SUBMITTED]
        late = {row.comparison.job_id for row in unsent if row.send_not_before <= self._now()}
        keys = [
            job_id
            for job_id, row in self._state.batches.items()
            if row.batch.state is AssessmentState.JUDGING
            and row.batch.cancelled_at is None
            and self._state.is_retryable_sql(SUBMIT, job_id)
            and (
                job_id in late
                or any(one.state is ComparisonState.PENDING for one in self._state.comparisons_of(job_id))
            )
        ]
        rest = rest_until([row.send_not_before for row in unsent], self._now())
        return Due(keys=keys[:limit], rest_seconds=rest)

    async def start(
        self, job_ids: Collection[JobId], *, limit: int, policy: AttemptPolicy
    ) -> Sequence[UnsentAttempt]:
        turns: list[tuple[int, ComparisonRow]] = []
        for job_id in job_ids:
            batch = self._state.batches[job_id].batch
            if batch.state is AssessmentState.JUDGING and batch.cancelled_at is None:
                turns += enumerate(self._affordable(job_id))
        chosen = [row for _, row in sorted(turns, key=lambda turn: (turn[0], turn[1].id))][:limit]
        return [self._unsent_view(self._start(row, policy)) for row in sorted(chosen, key=lambda row: row.id)]

    async def take_unsent(
        self, job_ids: Collection[JobId], *, limit: int, policy: AttemptPolicy
    ) -> Sequence[UnsentAttempt]:
        taken = [
            row
            for row in self._unsent()
            if row.comparison.job_id in job_ids
            and row.comparison.state is ComparisonState.SUBMITTED
            and row.send_not_before <= self._now()
        ][:limit]
        for row in taken:
            row.send_not_before = self._now() + policy.resend_after
            row.deadline = self._now() + policy.answer_timeout
        return [self._unsent_view(row) for row in taken]

    async def release(self, attempts: Collection[AttemptId]) -> None:
        for row in self._unsent():
            if row.id in attempts:
                row.send_not_before = self._now()

    async def mark_sent(self, request_ids: Mapping[AttemptId, str], *, policy: AttemptPolicy) -> None:
        for attempt, request_id in request_ids.items():
            row = self._state.attempts[attempt]
            row.request_id, row.deadline = request_id, self._now() + policy.answer_timeout

    async def mark_refused(self, refusals: Mapping[AttemptId, tuple[str, str]]) -> None:
        for attempt, (code, message) in refusals.items():
            row = self._state.attempts[attempt]
            if row.outcome is None:
                row.outcome, row.error_code, row.error_message = "refused", code, message
                row.ended_at = self._now()
                if row.comparison.state is ComparisonState.SUBMITTED:
                    row.comparison.state, row.comparison.error_code = ComparisonState.FAILED, code

    async def record(self, answers: Sequence[Answer]) -> Recorded:
        counts: Counter[str] = Counter()
        for answer in answers:
            row = self._state.attempts.get(answer.attempt_id)
            if row is None:
                counts["unknown"] += 1
            elif not self._matches(row, answer):
                counts["mismatched"] += 1
            else:
                counts["late"] += row.comparison.state is ComparisonState.ABANDONED
                counts["new" if self._record(row, answer) else "repeated"] += 1
        return Recorded(**counts)

    async def take_overdue(self, *, limit: int) -> Due[AttemptId]:
        open_rows = [row for row in self._state.attempts.values() if row.outcome is None]
        due = [
            row.id
            for row in sorted(open_rows, key=lambda row: row.deadline)
            if row.deadline <= self._now()
            and (row.request_id is not None or row.comparison.state is ComparisonState.ABANDONED)
            and self._state.is_retryable_sql(EXPIRE, row.id)
        ]
        if due:
            return Due(keys=due[:limit], rest_seconds=0)
        later = [row.deadline for row in open_rows if row.deadline > self._now()]
        return Due(keys=(), rest_seconds=rest_until(later, self._now()))

    async def request_ids(self, attempts: Collection[AttemptId]) -> Mapping[AttemptId, str | None]:
        rows = (self._state.attempts[attempt] for attempt in attempts)
        return {row.id: row.request_id for row in rows if row.outcome is None}

    async def expire(
        self, attempts: Collection[AttemptId], *, lost: Collection[AttemptId], policy: AttemptPolicy
    ) -> None:
        for row in (self._state.attempts[attempt] for attempt in attempts):
            if row.outcome is not None:
                continue
            row.outcome, row.error_code, row.error_message = "expired", "TIMEOUT", NO_ANSWER
            row.ended_at = self._now()
            if row.id not in lost:
                row.withdrawn_at = self._now()
            comparison = row.comparison
            if comparison.state is ComparisonState.SUBMITTED and comparison.attempts == row.number:
                is_asked_again = row.id in lost and comparison.attempts < policy.max_attempts
                comparison.state = ComparisonState.PENDING if is_asked_again else ComparisonState.FAILED
                comparison.error_code = "TIMEOUT"

    async def take_withdrawable(self, *, limit: int, lease: timedelta) -> Due[AttemptId]:
        due = [
            row
            for row in self._state.attempts.values()
            if row.outcome is None
            and row.request_id is not None
            and row.withdrawn_at is None
            and row.withdraw_not_before <= self._now()
            and row.comparison.state is ComparisonState.ABANDONED
            and self._state.is_retryable_sql(WITHDRAW, row.id)
        ][:limit]
        for row in due:
            row.withdraw_not_before = self._now() + lease
        return Due(keys=[row.id for row in due], rest_seconds=0 if len(due) == limit else None)

    async def mark_withdrawn(self, attempts: Collection[AttemptId]) -> None:
        for attempt in attempts:
            self._state.attempts[attempt].withdrawn_at = self._now()

    async def usage(self, job_id: JobId) -> Usage:
        rows = self._state.attempts_of(job_id)
        return Usage(
            billed=sum(
                row.outcome == "answered" or (row.outcome == "withdrawn" and row.cost_usd > 0) for row in rows
            ),
            outstanding=sum(row.outcome is None for row in rows),
        )

    async def job_id_of(self, attempt: AttemptId) -> JobId | None:
        row = self._state.attempts.get(attempt)
        return None if row is None else row.comparison.job_id

    def _unsent(self) -> list[AttemptRow]:
        return [
            row for row in self._state.attempts.values() if row.outcome is None and row.request_id is None
        ]

    def _affordable(self, job_id: JobId) -> list[ComparisonRow]:
        """The pending comparisons that the money of the batch pays for, at their highest cost."""
        pending = [row for row in self._state.comparisons_of(job_id) if row.state is ComparisonState.PENDING]
        cap = self._state.batches[job_id].batch.limits.max_cost_usd
        if cap is None:
            return pending
        left = cap - sum(
            (
                row.cost_usd + (row.reserved_usd if row.outcome in (None, "expired") else 0)
                for row in self._state.attempts_of(job_id)
            ),
            Decimal(0),
        )
        affordable: list[ComparisonRow] = []
        for row in pending:
            left -= row.cap_usd
            if left < 0:
                break
            affordable.append(row)
        return affordable

    def _start(self, comparison: ComparisonRow, policy: AttemptPolicy) -> AttemptRow:
        comparison.state = ComparisonState.SUBMITTED
        comparison.attempts += 1
        now = self._now()
        row = AttemptRow(
            id=AttemptId(uuid4()),
            comparison=comparison,
            number=comparison.attempts,
            reserved_usd=comparison.cap_usd,
            send_not_before=now + policy.resend_after,
            deadline=now + policy.answer_timeout,
            withdraw_not_before=now,
        )
        self._state.attempts[row.id] = row
        return row

    def _unsent_view(self, row: AttemptRow) -> UnsentAttempt:
        job_id, pair = row.comparison.job_id, row.comparison.planned
        essay_a, essay_b = (self._state.essays[job_id][item] for item in (pair.slot_a, pair.slot_b))
        return UnsentAttempt(
            attempt_id=row.id,
            batch_id=self._state.batches[job_id].batch.batch_id,
            job_id=job_id,
            item_a=pair.slot_a,
            item_b=pair.slot_b,
            essay_a_id=essay_a.essay_id,
            essay_b_id=essay_b.essay_id,
            repetition=pair.repetition,
            assigned=pair.assigned,
            text_bytes=sum(len((essay.text or "").encode()) for essay in (essay_a, essay_b)),
        )

    def _matches(self, row: AttemptRow, answer: Answer) -> bool:
        job_id, pair = row.comparison.job_id, row.comparison.planned
        essays = self._state.essays[job_id]
        return (
            row.request_id in (None, answer.request_id)
            and self._state.batches[job_id].batch.batch_id == answer.batch_id
            and essays[pair.slot_a].essay_id == answer.essay_a_id
            and essays[pair.slot_b].essay_id == answer.essay_b_id
        )

    def _record(self, row: AttemptRow, answer: Answer) -> bool:
        if row.outcome not in (None, "expired"):
            return False
        row.answer, row.ended_at, row.request_id = answer, answer.ended_at, answer.request_id
        row.error_code, row.error_message = answer.error_code, answer.error_message
        comparison = row.comparison
        if answer.winner is not None:
            row.outcome = "answered"
            if comparison.state in (*OPEN, ComparisonState.FAILED):
                comparison.state, comparison.error_code = ComparisonState.JUDGED, None
                comparison.a_won = answer.winner is Winner.ESSAY_A
                comparison.margin = answer.margin
                comparison.confidence = answer.confidence
                comparison.log_odds_a = answer.log_odds_a
                comparison.log_odds = answer.log_odds
                comparison.judge = f"{answer.provider}/{answer.model}"
                comparison.judged_at = answer.ended_at
        else:
            row.outcome = "refused" if row.withdrawn_at is None else "withdrawn"
            if comparison.state is ComparisonState.SUBMITTED and comparison.attempts == row.number:
                comparison.state, comparison.error_code = ComparisonState.FAILED, answer.error_code
        return True
