"""One real call to a judge, and the result that a request ends with."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from event_contracts import ErrorDetail, LLMComparisonResultV1, SuiteError, TokenUsage, usd

from llm_provider.domain.calls.answer import Verdict
from llm_provider.domain.calls.errors import JudgeError, RequestCancelled
from llm_provider.domain.costs.cost import Cost
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import LimitReading
from llm_provider.domain.requests.request import SERVICE, LeasedRequest, QueueId, QueueState

NO_COST = Cost(usd=Decimal(0), price_list="none")
ANSWERED = "answered"

PER_REQUEST, BATCH_API = "per_request", "batch_api"
"""How the call was made that a request ended with, as the platform names it; null where no call was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One real call to a judge and its outcome. ``usage`` is None where there was no reply."""

    leased: LeasedRequest
    started_at: datetime
    ended_at: datetime
    model: str
    usage: Usage | None
    cost: Cost
    outcome: Verdict | SuiteError
    retry_after: timedelta | None = None
    limits: tuple[LimitReading, ...] = ()
    vendor_request_id: str | None = None
    in_batch: bool = False

    @property
    def verdict(self) -> Verdict | None:
        """The verdict; None where the call failed."""
        return None if isinstance(self.outcome, SuiteError) else self.outcome

    @property
    def error(self) -> SuiteError | None:
        """The error; None where the call has a verdict."""
        return self.outcome if isinstance(self.outcome, SuiteError) else None

    @property
    def queue_id(self) -> QueueId:
        """The request that it was made for."""
        return self.leased.queue_id

    @property
    def provider(self) -> str:
        """The provider that was called."""
        return self.leased.request.parameters.provider

    @property
    def requested_model(self) -> str:
        """The model that was asked, whatever name it gives itself in its answer."""
        return self.leased.request.parameters.model

    @property
    def processing_mode(self) -> str:
        """How it was made, whatever its request had asked for: a batch job that fails is followed by single calls."""
        return BATCH_API if self.in_batch else PER_REQUEST

    @property
    def tokens(self) -> Usage:
        """Tokens that were billed."""
        return self.usage or Usage()

    @property
    def may_be_billed(self) -> bool:
        """True for a call that was answered, or that the vendor may bill although its answer did not arrive."""
        if self.usage is not None:
            return True
        return isinstance(self.error, JudgeError) and self.error.may_be_billed

    @property
    def paid_calls(self) -> int:
        """Calls for the request that are or may be billed, this one included."""
        return self.leased.paid_calls + int(self.may_be_billed)

    @property
    def outcome_code(self) -> str:
        """``ANSWERED``, or the error's code."""
        return ANSWERED if self.error is None else self.error.code

    @property
    def response_time_ms(self) -> int:
        """Time that the call took."""
        return max(0, round((self.ended_at - self.started_at).total_seconds() * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRequest:
    """A request that has its result; ``cost`` is that of the last call, if it ended with one."""

    leased: LeasedRequest
    state: QueueState
    result: LLMComparisonResultV1
    cost: Cost = NO_COST
    paid_calls: int = 0


def ended_by(call: Call, outcome: Verdict | SuiteError) -> EndedRequest:
    """The end, with ``outcome``, of a request whose last call this was; it bills all its calls."""
    return EndedRequest(
        leased=call.leased,
        state=_end_state(outcome),
        result=_result(
            call.leased,
            now=call.ended_at,
            model=call.model,
            outcome=outcome,
            usage=call.tokens,
            cost=call.cost,
            response_time_ms=call.response_time_ms,
            paid_calls=call.paid_calls,
            processing_mode=call.processing_mode,
        ),
        cost=call.cost,
        paid_calls=call.paid_calls,
    )


def ended_without_call(
    leased: LeasedRequest, error: SuiteError, *, state: QueueState, now: datetime
) -> EndedRequest:
    """The end of a request that is expired, cancelled or given up; its earlier calls are billed."""
    return EndedRequest(
        leased=leased,
        state=state,
        result=_result(
            leased,
            now=now,
            model=leased.request.parameters.model,
            outcome=error,
            usage=Usage(),
            cost=NO_COST,
            response_time_ms=0,
            paid_calls=leased.paid_calls,
            processing_mode=None,
        ),
        paid_calls=leased.paid_calls,
    )


def without_answer(call: Call, error: SuiteError) -> Call:
    """The same call, reduced to what is billed: for a call whose answer cannot be recorded."""
    return replace(call, model=call.requested_model, vendor_request_id=None, outcome=error, limits=())


def _end_state(outcome: Verdict | SuiteError) -> QueueState:
    match outcome:
        case RequestCancelled():
            return QueueState.CANCELLED
        case SuiteError():
            return QueueState.FAILED
        case Verdict():
            return QueueState.COMPLETED


def _result(
    leased: LeasedRequest,
    *,
    now: datetime,
    model: str,
    outcome: Verdict | SuiteError,
    usage: Usage,
    cost: Cost,
    response_time_ms: int,
    paid_calls: int,
    processing_mode: str | None,
) -> LLMComparisonResultV1:
    request = leased.request
    verdict, error = (None, outcome) if isinstance(outcome, SuiteError) else (outcome, None)
    return LLMComparisonResultV1(
        request_id=str(request.queue_id),
        correlation_id=request.correlation_id,
        winner=verdict.winner if verdict else None,
        justification=verdict.justification if verdict else None,
        confidence=verdict.confidence if verdict else None,
        margin=verdict.margin if verdict else None,
        log_odds_a=verdict.log_odds_a if verdict else None,
        error_detail=_detail(leased, error),
        provider=request.parameters.provider,
        model=model,
        response_time_ms=response_time_ms,
        token_usage=token_usage(usage),
        cost_estimate=usd(leased.spent_usd + cost.known_usd),
        requested_at=request.requested_at,
        completed_at=now,
        trace_id=request.trace.trace_id if request.trace else None,
        request_metadata={
            **request.metadata,
            "prompt_sha256": request.prompt_sha256,
            "resolved_provider": request.parameters.provider,
            "resolved_model": request.parameters.model,
            "cache_read_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
            "cache_read_input_tokens": usage.cache_read,
            "cache_creation_input_tokens": usage.cache_write,
            "queue_processing_mode": processing_mode,
            "reasoning_tokens": usage.reasoning,
            "price_known": leased.price_known and cost.is_known,
            "paid_calls": paid_calls,
        },
    )


def _detail(leased: LeasedRequest, error: SuiteError | None) -> ErrorDetail | None:
    if error is None:
        return None
    return error.detail(service=SERVICE, operation="judge", correlation_id=leased.request.correlation_id)


def token_usage(usage: Usage) -> TokenUsage:
    """Tokens as they go onto the wire."""
    return TokenUsage(
        prompt_tokens=usage.input,
        completion_tokens=usage.output,
        total_tokens=usage.input + usage.output,
    )
