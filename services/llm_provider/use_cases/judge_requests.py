"""Judge what is in the queue: take, call, and write results, books and callbacks down in one transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import structlog
from event_contracts import (
    EventEnvelope,
    LLMCostTrackingV1,
    LLMRequestCompletedV1,
    SuiteError,
    TokenUsage,
    usd,
)

from llm_provider.domain.answer import Defect, InvalidAnswer, Verdict, read_verdict
from llm_provider.domain.errors import JudgeError, JudgeTimeout, JudgeUnavailable, may_be_retried
from llm_provider.domain.request import SERVICE, Call, JudgeRequest, RetryPolicy, Usage, result_of
from llm_provider.ports import (
    CallRecord,
    CallWatcher,
    Catalogue,
    Ending,
    Finished,
    Judge,
    JudgeCall,
    JudgeReply,
    Pause,
    Postponed,
    Store,
)

log = structlog.get_logger()

LEASE_MARGIN = timedelta(seconds=30)
IDLE_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class JudgeRequests:
    """The worker of one provider: up to ``concurrency`` calls at a time, results written as they come."""

    provider: str
    judge: Judge
    store: Store
    catalogue: Catalogue
    policy: RetryPolicy
    watcher: CallWatcher
    concurrency: int
    call_timeout: timedelta
    announce_calls: bool
    pause: Pause
    done: list[Call] = field(default_factory=list)
    calling: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """What the worker is called in the logs."""
        return f"judge-{self.provider}"

    async def run(self) -> None:
        """Judge until cancelled; a call that is cancelled is made again when its lease is over."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    busy = await self._step(group)
                except Exception:  # the outermost loop of a worker: nothing above it could go on
                    log.exception("judge.step_failed", provider=self.provider)
                    await asyncio.sleep(1)
                    continue
                if not busy:
                    await self.pause.wait(IDLE_SECONDS)

    async def _step(self, group: asyncio.TaskGroup) -> bool:
        requests = await self._take()
        for request in requests:
            self.calling.add(str(request.queue_id))
            group.create_task(self._call(request))
        ended, self.done[:] = list(self.done), []
        if ended:
            try:
                await self.record(ended)
            except BaseException:
                self.done.extend(ended)
                raise
        return bool(requests or ended)

    async def _take(self) -> Sequence[JudgeRequest]:
        free = self.concurrency - len(self.calling)
        # A quarter at a time: a query for every single slot would cost more than it brings.
        if free * 4 < self.concurrency:
            return ()
        async with self.store.transaction() as transaction:
            return await transaction.take(
                provider=self.provider, limit=free, lease=self.call_timeout + LEASE_MARGIN
            )

    async def _call(self, request: JudgeRequest) -> None:
        try:
            self.done.append(await self.call(request))
        finally:
            self.calling.discard(str(request.queue_id))
            self.pause.wake()

    async def call(self, request: JudgeRequest) -> Call:
        """Make one call; whatever comes of it is a ``Call``."""
        started = datetime.now(UTC)
        reply, verdict, error = await self._ask(request)
        usage = reply.usage if reply else Usage()
        model = reply.model if reply else request.parameters.model
        cost, price_list = self._cost(request, usage)
        return Call(
            request=request,
            started_at=started,
            ended_at=datetime.now(UTC),
            model=model,
            usage=usage,
            cost_usd=cost,
            price_list=price_list,
            verdict=verdict,
            error=error,
            retry_after=error.retry_after if isinstance(error, JudgeError) else None,
        )

    async def _ask(
        self, request: JudgeRequest
    ) -> tuple[JudgeReply | None, Verdict | None, SuiteError | None]:
        reply: JudgeReply | None = None
        try:
            async with asyncio.timeout(self.call_timeout.total_seconds()):
                reply = await self.judge.judge(_judge_call(request))
            return reply, _verdict(reply), None
        except TimeoutError:
            return None, None, JudgeTimeout(f"no answer within {self.call_timeout.total_seconds():g} s")
        except SuiteError as failure:
            return reply, None, failure
        except Exception as failure:  # a bug of an adapter must not stop the worker, nor pass for a vote
            log.exception("judge.call_failed", provider=self.provider)
            return reply, None, JudgeUnavailable(f"the call failed: {type(failure).__name__}")

    def _cost(self, request: JudgeRequest, usage: Usage) -> tuple[Decimal, str]:
        return self.catalogue.cost(provider=self.provider, model=request.parameters.model, usage=usage)

    async def record(self, calls: Sequence[Call]) -> None:
        """Write calls down: books, results with their callbacks, and what is tried again."""
        again = [call for call in calls if self._try_again(call)]
        over = [call for call in calls if not self._try_again(call)]
        async with self.store.transaction() as transaction:
            await transaction.record_calls([_record(call) for call in calls])
            await transaction.finish([self._finished(call) for call in over])
            await transaction.postpone([self._postponed(call) for call in again])
        for call in calls:
            self.watcher.watch(call)
        log.debug("judge.calls_recorded", provider=self.provider, ended=len(over), again=len(again))

    def _try_again(self, call: Call) -> bool:
        return (
            call.error is not None
            and may_be_retried(call.error)
            and call.request.attempts < self.policy.max_attempts
        )

    def _postponed(self, call: Call) -> Postponed:
        assert call.error is not None, "only failed calls are tried again"
        return Postponed(
            queue_id=call.request.queue_id,
            pause=call.retry_after or self.policy.pause(call.request.attempts),
            cost_usd=call.cost_usd,
            error_code=call.error.code,
        )

    def _finished(self, call: Call) -> Finished:
        request = call.request
        result = result_of(call, now=call.ended_at)
        return Finished(
            queue_id=request.queue_id,
            result=result,
            callback=EventEnvelope.wrap(
                result, source_service=SERVICE, correlation_id=request.correlation_id
            ),
            callback_topic=request.callback_topic,
            callback_url=request.callback_url,
            announcements=_announcements(call) if self.announce_calls else (),
        )


def _verdict(reply: JudgeReply) -> Verdict:
    if reply.ending is Ending.REFUSAL:
        raise InvalidAnswer("the model refused to judge", defect=Defect.REFUSAL)
    if reply.ending is Ending.CUT_OFF:
        raise InvalidAnswer("the answer was cut off before its end", defect=Defect.CUT_OFF)
    return read_verdict(reply.text, may_cut=not reply.enforces_length)


def _judge_call(request: JudgeRequest) -> JudgeCall:
    return JudgeCall(
        prompt=request.prompt,
        prompt_sha256=request.prompt_sha256,
        parameters=request.parameters,
        sample=request.sample,
        attempt=request.attempts,
    )


def _record(call: Call) -> CallRecord:
    return CallRecord(
        queue_id=call.request.queue_id,
        attempt=call.request.attempts,
        provider=call.request.parameters.provider,
        model=call.model,
        started_at=call.started_at,
        ended_at=call.ended_at,
        outcome="answered" if call.error is None else call.error.code,
        usage=call.usage,
        cost_usd=call.cost_usd,
        price_list=call.price_list,
    )


def _announcements(call: Call) -> tuple[EventEnvelope[LLMRequestCompletedV1 | LLMCostTrackingV1], ...]:
    """What analytics and billing learn of a request's last call."""
    request, tokens = call.request, _tokens(call.usage)
    completed = LLMRequestCompletedV1(
        provider=request.parameters.provider,
        correlation_id=request.correlation_id,
        user_id=request.user_id,
        success=call.error is None,
        response_time_ms=call.response_time_ms,
        error_message=None if call.error is None else call.error.message,
        token_usage=tokens,
        cost_estimate=usd(call.cost_usd),
    )
    cost = LLMCostTrackingV1(
        correlation_id=request.correlation_id,
        provider=request.parameters.provider,
        model=call.model,
        cost_estimate_usd=usd(request.spent_usd + call.cost_usd),
        token_usage=tokens,
        user_id=request.user_id,
        service_name=SERVICE,
        request_timestamp=request.requested_at,
        response_time_ms=call.response_time_ms,
    )
    return tuple(
        EventEnvelope.wrap(event, source_service=SERVICE, correlation_id=request.correlation_id)
        for event in (completed, cost)
    )


def _tokens(usage: Usage) -> TokenUsage:
    return TokenUsage(
        prompt_tokens=usage.input,
        completion_tokens=usage.output,
        total_tokens=usage.input + usage.output,
    )
