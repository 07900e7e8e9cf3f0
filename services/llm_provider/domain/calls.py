"""One real call to a judge, and the one callback that a request ends with."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from event_contracts import ErrorDetail, LLMComparisonResultV1, SuiteError, TokenUsage, usd

from llm_provider.domain.answer import Verdict
from llm_provider.domain.limits import LimitReading
from llm_provider.domain.money import Cost
from llm_provider.domain.request import SERVICE, Place, QueueId, Taken, Usage

NO_COST = Cost(usd=Decimal(0), price_list="none")
ANSWERED = "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One real call to a judge and how it ended: a verdict or an error. ``usage`` is None where there was no reply."""

    taken: Taken
    started_at: datetime
    ended_at: datetime
    model: str
    usage: Usage | None
    cost: Cost
    verdict: Verdict | None
    error: SuiteError | None
    retry_after: timedelta | None = None
    limits: tuple[LimitReading, ...] = ()
    vendor_request_id: str | None = None
    in_batch: bool = False

    @property
    def queue_id(self) -> QueueId:
        """The request that it was made for."""
        return self.taken.queue_id

    @property
    def provider(self) -> str:
        """Who was called."""
        return self.taken.request.parameters.provider

    @property
    def tokens(self) -> Usage:
        """Tokens that were billed."""
        return self.usage or Usage()

    @property
    def outcome(self) -> str:
        """``ANSWERED``, or the error's code."""
        return ANSWERED if self.error is None else self.error.code

    @property
    def response_time_ms(self) -> int:
        """Time that the call took."""
        return max(0, round((self.ended_at - self.started_at).total_seconds() * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A request that has its result."""

    taken: Taken
    place: Place
    result: LLMComparisonResultV1
    cost: Cost = field(default=NO_COST)


def ended_by(call: Call, *, error: SuiteError | None) -> Ended:
    """The end of a request whose last call this was, with its verdict or with ``error``; it bills all its calls."""
    verdict = None if error is not None else call.verdict
    result = _result(
        call.taken,
        now=call.ended_at,
        model=call.model,
        verdict=verdict,
        error=error,
        usage=call.tokens,
        cost=call.cost,
        response_time_ms=call.response_time_ms,
    )
    place = Place.COMPLETED if error is None else Place.FAILED
    return Ended(taken=call.taken, place=place, result=result, cost=call.cost)


def ended_without_call(taken: Taken, error: SuiteError, *, place: Place, now: datetime) -> Ended:
    """The end of a request that is expired, cancelled or given up; what was called before is billed."""
    result = _result(
        taken,
        now=now,
        model=taken.request.parameters.model,
        verdict=None,
        error=error,
        usage=Usage(),
        cost=NO_COST,
        response_time_ms=0,
    )
    return Ended(taken=taken, place=place, result=result)


def _result(
    taken: Taken,
    *,
    now: datetime,
    model: str,
    verdict: Verdict | None,
    error: SuiteError | None,
    usage: Usage,
    cost: Cost,
    response_time_ms: int,
) -> LLMComparisonResultV1:
    request = taken.request
    return LLMComparisonResultV1(
        request_id=str(request.queue_id),
        correlation_id=request.correlation_id,
        winner=verdict.winner if verdict else None,
        justification=verdict.justification if verdict else None,
        confidence=verdict.confidence if verdict else None,
        error_detail=_detail(taken, error),
        provider=request.parameters.provider,
        model=model,
        response_time_ms=response_time_ms,
        token_usage=token_usage(usage),
        cost_estimate=usd(taken.spent_usd + cost.known_usd),
        requested_at=request.requested_at,
        completed_at=now,
        request_metadata={
            **request.metadata,
            "prompt_sha256": request.prompt_sha256,
            "resolved_provider": request.parameters.provider,
            "resolved_model": request.parameters.model,
            "cache_read_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
            "reasoning_tokens": usage.reasoning,
            "price_known": taken.price_known and cost.is_known,
        },
    )


def _detail(taken: Taken, error: SuiteError | None) -> ErrorDetail | None:
    if error is None:
        return None
    return error.detail(service=SERVICE, operation="judge", correlation_id=taken.request.correlation_id)


def token_usage(usage: Usage) -> TokenUsage:
    """Tokens as they go onto the wire."""
    return TokenUsage(
        prompt_tokens=usage.input,
        completion_tokens=usage.output,
        total_tokens=usage.input + usage.output,
    )
