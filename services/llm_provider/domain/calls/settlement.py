"""What calls tell the meters: tokens used, limits that the vendor reports, rate limits reached, failures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from event_contracts import SuiteError

from llm_provider.domain.calls.call import Call
from llm_provider.domain.calls.errors import JudgeTimeout, RateLimitReached, is_vendor_failure
from llm_provider.domain.limits import Allowance, LimitReading
from llm_provider.domain.requests.request import LeasedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What some calls to one model add up to.

    ``excess``: units used beyond those reserved, negative where fewer were used. ``limited``: how long ago the last
    call began that met the vendor's rate limit. ``failures``: the vendor's failures since the last call that it
    answered (``has_responded``) among these calls; ``last_error`` is the last of them.
    """

    model: str
    excess: Mapping[Allowance, int] = field(default_factory=dict)
    replies: int = 0
    estimated_input: int = 0
    input: int = 0
    output: int = 0
    readings: Mapping[Allowance, LimitReading] = field(default_factory=dict)
    limited: timedelta | None = None
    failures: int = 0
    has_responded: bool = False
    last_error: SuiteError | None = None


def settlements(calls: Sequence[Call], *, now: datetime) -> list[Settlement]:
    """One for each model that was called, in the order of their names; ``calls`` in the order in which they ended."""
    by_model = sorted(calls, key=lambda call: call.requested_model)
    return [
        _settlement(model, list(made), now=now)
        for model, made in groupby(by_model, key=lambda call: call.requested_model)
    ]


def unused_settlements(leased: Sequence[LeasedRequest]) -> list[Settlement]:
    """For calls that were granted and not made; one for each model, in the order of their names."""
    by_model = sorted(leased, key=lambda one: one.request.parameters.model)
    return [
        Settlement(model=model, excess=_unused(list(granted)))
        for model, granted in groupby(by_model, key=lambda one: one.request.parameters.model)
    ]


def _unused(granted: Sequence[LeasedRequest]) -> dict[Allowance, int]:
    return _excess(
        -len(granted),
        -sum(one.reserved_input for one in granted),
        -sum(one.reserved_output for one in granted),
    )


def _settlement(model: str, calls: Sequence[Call], *, now: datetime) -> Settlement:
    replied = [call for call in calls if call.usage is not None and call.usage.is_known]
    last_error, failures, has_responded = _health(calls)
    return Settlement(
        model=model,
        excess=_excess(
            0, sum(_input_excess(call) for call in calls), sum(_output_excess(call) for call in calls)
        ),
        replies=len(replied),
        estimated_input=sum(call.leased.request.estimated_input for call in replied),
        input=sum(call.tokens.input for call in replied),
        output=sum(call.tokens.output for call in replied),
        readings={reading.allowance: reading for call in calls for reading in call.limits},
        limited=min(
            (now - call.started_at for call in calls if isinstance(call.error, RateLimitReached)),
            default=None,
        ),
        failures=failures,
        has_responded=has_responded,
        last_error=last_error,
    )


def _excess(requests: int, input_tokens: int, output_tokens: int) -> dict[Allowance, int]:
    return {
        Allowance.REQUESTS: requests,
        Allowance.INPUT_TOKENS: input_tokens,
        Allowance.OUTPUT_TOKENS: output_tokens,
        Allowance.TOKENS: input_tokens + output_tokens,
    }


def _input_excess(call: Call) -> int:
    return 0 if _is_unknown(call) else call.tokens.input - call.leased.reserved_input


def _output_excess(call: Call) -> int:
    return 0 if _is_unknown(call) else call.tokens.output - call.leased.reserved_output


def _is_unknown(call: Call) -> bool:
    """Of these the vendor may have counted all that was reserved: it did not answer, or did not say."""
    return isinstance(call.error, JudgeTimeout) or (call.usage is not None and not call.usage.is_known)


def _health(calls: Sequence[Call]) -> tuple[SuiteError | None, int, bool]:
    last_error, failures, has_responded = None, 0, False
    for call in calls:
        if call.error is not None and is_vendor_failure(call.error):
            last_error, failures = call.error, failures + 1
        elif not isinstance(call.error, RateLimitReached):
            last_error, failures, has_responded = None, 0, True
    return last_error, failures, has_responded
