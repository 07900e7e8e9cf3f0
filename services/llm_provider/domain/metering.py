"""What calls teach the meters: tokens really used, a vendor's word on its limits, rate limits, failures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from llm_provider.domain.calls import Call
from llm_provider.domain.errors import JudgeBusy, JudgeTimeout, is_vendor_failure
from llm_provider.domain.limits import Allowance, LimitReading
from llm_provider.domain.request import Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What some calls to one model come to.

    ``excess``: units used beyond those reserved, negative where fewer were used. ``limited``: how long ago the last
    call began that met the vendor's rate limit. ``failures``: the vendor's failures since its last sign of life
    (``is_alive``) among these calls.
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
    is_alive: bool = False


def settlements(calls: Sequence[Call], *, now: datetime) -> list[Settlement]:
    """One for each model that was called, in the order of their names; ``calls`` in the order in which they ended."""
    by_model = sorted(calls, key=_model)
    return [_settlement(model, list(made), now=now) for model, made in groupby(by_model, key=_model)]


def given_back(taken: Sequence[Taken]) -> list[Settlement]:
    """For calls that were granted and not made; one for each model, in the order of their names."""
    by_model = sorted(taken, key=lambda one: one.request.parameters.model)
    return [
        Settlement(model=model, excess=_unused(list(granted)))
        for model, granted in groupby(by_model, key=lambda one: one.request.parameters.model)
    ]


def _unused(granted: Sequence[Taken]) -> dict[Allowance, int]:
    return _excess(
        -len(granted),
        -sum(one.reserved_input for one in granted),
        -sum(one.reserved_output for one in granted),
    )


def _model(call: Call) -> str:
    return call.taken.request.parameters.model


def _settlement(model: str, calls: Sequence[Call], *, now: datetime) -> Settlement:
    replied = [call for call in calls if call.usage is not None]
    failures, is_alive = _health(calls)
    return Settlement(
        model=model,
        excess=_excess(
            0, sum(_input_excess(call) for call in calls), sum(_output_excess(call) for call in calls)
        ),
        replies=len(replied),
        estimated_input=sum(call.taken.request.estimated_input for call in replied),
        input=sum(call.tokens.input for call in replied),
        output=sum(call.tokens.output for call in replied),
        readings={reading.allowance: reading for call in calls for reading in call.limits},
        limited=min(
            (now - call.started_at for call in calls if isinstance(call.error, JudgeBusy)), default=None
        ),
        failures=failures,
        is_alive=is_alive,
    )


def _excess(requests: int, input_tokens: int, output_tokens: int) -> dict[Allowance, int]:
    return {
        Allowance.REQUESTS: requests,
        Allowance.INPUT_TOKENS: input_tokens,
        Allowance.OUTPUT_TOKENS: output_tokens,
        Allowance.TOKENS: input_tokens + output_tokens,
    }


def _input_excess(call: Call) -> int:
    return 0 if _is_unknown(call) else call.tokens.input - call.taken.reserved_input


def _output_excess(call: Call) -> int:
    return 0 if _is_unknown(call) else call.tokens.output - call.taken.reserved_output


def _is_unknown(call: Call) -> bool:
    """A call that nobody waited for any longer may have been counted in full."""
    return isinstance(call.error, JudgeTimeout)


def _health(calls: Sequence[Call]) -> tuple[int, bool]:
    failures, is_alive = 0, False
    for call in calls:
        if call.error is not None and is_vendor_failure(call.error):
            failures += 1
        elif not isinstance(call.error, JudgeBusy):
            failures, is_alive = 0, True
    return failures, is_alive
