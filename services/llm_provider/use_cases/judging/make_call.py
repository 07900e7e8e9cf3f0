"""Make one call to a judge; a ``Call`` holds its verdict or its error."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from event_contracts import SuiteError

from llm_provider.domain.calls.answer import Defect, InvalidAnswer, Verdict, read_verdict
from llm_provider.domain.calls.call import NO_COST, Call
from llm_provider.domain.calls.errors import AdapterFailed, JudgeError, JudgeTimeout
from llm_provider.domain.calls.prompt_cut import require_whole_prompt
from llm_provider.domain.requests.prompt import Prompt
from llm_provider.domain.requests.request import LeasedRequest
from llm_provider.domain.requests.storable import is_storable
from llm_provider.ports import Catalogue, Ending, Judge, JudgeCall, JudgeReply

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class MakeCall:
    """Calls one provider's judge."""

    judge: Judge
    catalogue: Catalogue
    timeout: timedelta

    async def __call__(self, leased: LeasedRequest) -> Call:
        """Call; only cancellation interrupts it."""
        started = datetime.now(UTC)
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                reply = await self.judge.judge(judge_call(leased))
        except TimeoutError:
            failure: SuiteError = JudgeTimeout(
                f"{leased.request.parameters.provider} did not answer within {self.timeout.total_seconds():g} s"
            )
        except SuiteError as error:
            failure = error
        except Exception as error:  # the outermost frame of a call: an adapter's bug must not stop the worker
            log.exception("call.adapter_failed", provider=leased.request.parameters.provider)
            failure = AdapterFailed(
                f"the adapter of {leased.request.parameters.provider} failed: {type(error).__name__}"
            )
        else:
            return answered_call(leased, reply, catalogue=self.catalogue, started_at=started)
        return failed_call(leased, failure, started_at=started)


def judge_call(leased: LeasedRequest) -> JudgeCall:
    """What the judge gets to see of a request."""
    request = leased.request
    return JudgeCall(
        prompt=request.prompt,
        prompt_sha256=request.prompt_sha256,
        parameters=request.parameters,
        sample=request.sample,
        attempt=leased.attempts,
    )


def answered_call(
    leased: LeasedRequest,
    reply: JudgeReply,
    *,
    catalogue: Catalogue,
    started_at: datetime,
    in_batch: bool = False,
) -> Call:
    """A call with a reply: a verdict, or an error for a reply without one; it is billed either way."""
    parameters = leased.request.parameters
    cost = catalogue.cost(
        provider=parameters.provider,
        model=parameters.model,
        usage=reply.usage,
        at=started_at,
        in_batch=in_batch,
    )
    try:
        outcome: Verdict | SuiteError = verdict_of(reply, leased.request.prompt)
    except InvalidAnswer as error:
        outcome = error
    return Call(
        leased=leased,
        started_at=started_at,
        ended_at=datetime.now(UTC),
        model=reply.model if reply.model and is_storable(reply.model) else parameters.model,
        usage=reply.usage,
        cost=cost,
        outcome=outcome,
        limits=reply.limits,
        vendor_request_id=reply.vendor_request_id,
        in_batch=in_batch,
    )


def failed_call(
    leased: LeasedRequest, error: SuiteError, *, started_at: datetime, in_batch: bool = False
) -> Call:
    """A call without a reply."""
    return Call(
        leased=leased,
        started_at=started_at,
        ended_at=datetime.now(UTC),
        model=leased.request.parameters.model,
        usage=None,
        cost=NO_COST,
        outcome=error,
        retry_after=error.retry_after if isinstance(error, JudgeError) else None,
        limits=error.limits if isinstance(error, JudgeError) else (),
        in_batch=in_batch,
    )


def verdict_of(reply: JudgeReply, prompt: Prompt) -> Verdict:
    """The verdict in a reply; raises ``InvalidAnswer`` for a reply without one."""
    if reply.ending is Ending.REFUSAL:
        raise InvalidAnswer("the model refused to judge", defect=Defect.REFUSAL)
    if reply.ending is Ending.CUT_OFF:
        raise InvalidAnswer(
            "the answer was cut off before its end: raise max_tokens, or ask for less reasoning",
            defect=Defect.CUT_OFF,
        )
    if reply.ending is Ending.BROKEN_OFF:
        raise InvalidAnswer("the answer is incomplete: unrecognised finish reason", defect=Defect.BROKEN_OFF)
    require_whole_prompt(prompt, reply.usage)
    return replace(
        read_verdict(reply.text, may_truncate=not reply.enforces_length), log_odds_a=reply.log_odds_a
    )
