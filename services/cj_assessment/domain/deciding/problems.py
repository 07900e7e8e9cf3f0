"""What keeps comparisons from being judged, in words that a teacher or an operator can act on."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from event_contracts import ComparisonState, ErrorCode

from cj_assessment.domain.batch import Judge
from cj_assessment.domain.comparison import Asked
from cj_assessment.domain.measuring.fitting import judge_name

STOPPING_FAILURES: Final = 3
"""This many failures for a reason that every further comparison would share stop a batch's spending."""


class FailureScope(Enum):
    """How far a failure reaches."""

    PAIR = "this comparison; another pair may well be judged"
    UNAVAILABLE = "every comparison by this judge until its endpoint is back"
    BATCH = "every comparison by this judge until a setting or an account is changed"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a judge is not judging, and what to do about it; both are clauses of a sentence."""

    scope: FailureScope
    text: str
    remedy: str


_OPERATOR: Final = "an operator must correct the settings of the LLM Provider service"
_KEY: Final = Cause(
    FailureScope.BATCH,
    "its vendor does not accept the API key, or no key is set",
    "an operator must set a valid key in the LLM Provider service",
)
_SET_UP: Final = Cause(
    FailureScope.BATCH, "no key or address is set for it in the LLM Provider service", _OPERATOR
)
_CALLBACK: Final = Cause(FailureScope.BATCH, "the LLM Provider service may not send results back", _OPERATOR)
_AWAY: Final = Cause(
    FailureScope.UNAVAILABLE,
    "its endpoint cannot be reached or answers with errors of its own",
    "check the vendor's status page and the endpoint's address, then send the batch again",
)
_SLOW: Final = Cause(
    FailureScope.UNAVAILABLE,
    "it does not answer in time",
    "check the vendor's status page and the load on the endpoint, then send the batch again",
)
_NOT_THE_PROTOCOL: Final = Cause(
    FailureScope.UNAVAILABLE,
    "its endpoint did not return an API response (but, for example, an HTML page)",
    "an operator must check the endpoint's address in the LLM Provider service, and any proxy before it",
)
_BUSY: Final = Cause(
    FailureScope.PAIR,
    "its rate limits are exceeded",
    "send the batch again later, or raise the limits",
)
_ANSWER: Final = Cause(
    FailureScope.PAIR,
    "it refuses to judge the texts, or its answers do not fit the schema",
    "look at the texts that it refused, or name another model",
)

_CAUSES: Final[Mapping[str, Cause]] = {
    ErrorCode.INVALID_API_KEY: _KEY,
    ErrorCode.AUTHENTICATION_ERROR: _KEY,
    ErrorCode.AUTHORIZATION_ERROR: Cause(
        FailureScope.BATCH,
        "the account at its vendor may not use this model",
        "have the model enabled for the account, or name another model",
    ),
    ErrorCode.QUOTA_EXCEEDED: Cause(
        FailureScope.BATCH,
        "the account at its vendor has no credit left",
        "add credit or raise the account's spending limit, then send the batch again",
    ),
    ErrorCode.LLM_INVALID_CONFIG: Cause(
        FailureScope.BATCH,
        "there is no such model, or it cannot do what the request asks of it",
        "name another model or leave the override out; GET /api/v1/models of that service lists the models",
    ),
    ErrorCode.LLM_CONFIGURATION_ERROR: _SET_UP,
    ErrorCode.CONFIGURATION_ERROR: _SET_UP,
    ErrorCode.INVALID_CONFIGURATION: _SET_UP,
    ErrorCode.LLM_CALLBACK_TOPIC_MISSING: _CALLBACK,
    ErrorCode.LLM_INVALID_CALLBACK_TOPIC: _CALLBACK,
    ErrorCode.LLM_PROVIDER_UNAVAILABLE: _AWAY,
    ErrorCode.CONNECTION_ERROR: _AWAY,
    ErrorCode.SERVICE_UNAVAILABLE: _AWAY,
    ErrorCode.CIRCUIT_BREAKER_OPEN: _AWAY,
    ErrorCode.TIMEOUT: _SLOW,
    ErrorCode.LLM_PROVIDER_TIMEOUT: _SLOW,
    ErrorCode.LLM_PROVIDER_RATE_LIMIT: _BUSY,
    ErrorCode.RATE_LIMIT: _BUSY,
    ErrorCode.LLM_QUEUE_FULL: _BUSY,
    ErrorCode.LLM_INVALID_RESPONSE: _ANSWER,
    ErrorCode.LLM_PARSING_ERROR: _NOT_THE_PROTOCOL,
    ErrorCode.INVALID_RESPONSE: _NOT_THE_PROTOCOL,
    ErrorCode.LLM_CONTENT_TOO_LONG: Cause(
        FailureScope.PAIR,
        "the essays are longer than the model's context",
        "name a model that reads longer texts, or send shorter ones",
    ),
    ErrorCode.LLM_COST_LIMIT_EXCEEDED: Cause(
        FailureScope.PAIR, "one comparison may cost more than the batch allows", "raise max_cost_usd"
    ),
    ErrorCode.LLM_PROVIDER_API_ERROR: Cause(
        FailureScope.PAIR,
        "its vendor does not accept the request",
        "see the log of the LLM Provider service for the vendor's answer, or name another model",
    ),
}
_NOT_PAIR_SPECIFIC: Final = frozenset({FailureScope.BATCH, FailureScope.UNAVAILABLE})
_UNKNOWN: Final = Cause(
    FailureScope.PAIR, "it failed", "see the log of the LLM Provider service for the reason"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingFailure:
    """A judge's most frequent failure, how often it happened, and how far it reaches."""

    judge: str
    code: str
    times: int
    scope: FailureScope

    @property
    def words(self) -> str:
        """One sentence on what is wrong and one on what to do."""
        cause = cause_of(self.code)
        times = "once" if self.times == 1 else f"{self.times} times"
        return (
            f"{self.judge} is not judging: {cause.text} ({self.code}, {times}). What to do: {cause.remedy}."
        )


def cause_of(code: str) -> Cause:
    """What an error code of a comparison means; an unknown code concerns its own pair alone."""
    return _CAUSES.get(code, _UNKNOWN)


def stopping_problem(
    asked: Sequence[Asked], judges: Sequence[Judge], *, batch_wide: frozenset[str] = frozenset()
) -> JudgingFailure | None:
    """What stops every comparison of a batch; None while a judge may still answer.

    Something does when at least ``STOPPING_FAILURES`` comparisons have failed for reasons of scope ``BATCH`` since
    the judges' last judgements, and every judge that was asked is failing. Before the first judgement a judge that is
    away is such a reason as well. A judge none of whose answers has come is waited for. Codes in ``batch_wide`` are
    of scope ``BATCH``, whatever they mean elsewhere.
    """
    scopes = (
        {FailureScope.BATCH}
        if any(pair.state == ComparisonState.JUDGED for pair in asked)
        else _NOT_PAIR_SPECIFIC
    )
    failures: list[Asked] = []
    for assigned in {pair.assigned for pair in asked}:
        stopping = [
            pair
            for pair in _since_success(asked, assigned)
            if pair.state == ComparisonState.FAILED and _scope(pair, batch_wide) in scopes
        ]
        if not stopping:
            return None
        failures += stopping
    return _problem(failures, judges, batch_wide) if len(failures) >= STOPPING_FAILURES else None


def current_problem(asked: Sequence[Asked], judges: Sequence[Judge]) -> JudgingFailure | None:
    """What is wrong with the judging right now, for those who wait; None while judgements come.

    ``asked`` is every comparison in the order they were planned, or the newest of them. Failed attempts count as
    failed comparisons do: a comparison that is tried again carries the error of its last attempt. Until a first
    judgement has come, any failure is a problem; then only one that is not confined to its pair.
    """
    nothing_judged = not any(pair.state == ComparisonState.JUDGED for pair in asked)
    for assigned in sorted({pair.assigned for pair in asked}):
        failures = [pair for pair in _since_success(asked, assigned) if pair.error_code is not None]
        if nothing_judged and failures:
            return _problem(failures, judges)
        wide = [pair for pair in failures if _scope(pair) in _NOT_PAIR_SPECIFIC]
        if len(wide) >= STOPPING_FAILURES:
            return _problem(wide, judges)
    return None


def most_common_failure(asked: Iterable[Asked], judges: Sequence[Judge]) -> JudgingFailure | None:
    """The failure that most failed comparisons of a batch have in common."""
    failed = [pair for pair in asked if pair.state == ComparisonState.FAILED]
    return _problem(failed, judges) if failed else None


def _since_success(asked: Sequence[Asked], assigned: int) -> list[Asked]:
    """A judge's comparisons, in the order they were planned, after the last one that it judged."""
    since: list[Asked] = []
    for pair in reversed(asked):
        if pair.assigned != assigned:
            continue
        if pair.state == ComparisonState.JUDGED:
            break
        since.append(pair)
    return since[::-1]


def _problem(
    failures: Sequence[Asked], judges: Sequence[Judge], batch_wide: frozenset[str] = frozenset()
) -> JudgingFailure:
    kinds = Counter((pair.assigned, pair.error_code, _scope(pair, batch_wide)) for pair in failures)
    (assigned, code, scope), times = max(kinds.items(), key=lambda kind: (kind[1], -kind[0][0]))
    return JudgingFailure(
        judge=judge_name(judges, assigned), code=code or ErrorCode.UNKNOWN_ERROR, times=times, scope=scope
    )


def _scope(pair: Asked, batch_wide: frozenset[str] = frozenset()) -> FailureScope:
    return FailureScope.BATCH if pair.error_code in batch_wide else cause_of(pair.error_code or "").scope
