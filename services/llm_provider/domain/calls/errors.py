"""How a call to a judge can fail, and how a request can end without a verdict.

JudgeError
├── RateLimitReached       LLM_PROVIDER_RATE_LIMIT   retried when the vendor allows, until the request expires
├── JudgeUnavailable       LLM_PROVIDER_UNAVAILABLE  retried for some minutes: the vendor answers with HTTP 5xx
│   ├── JudgeUnreachable   CONNECTION_ERROR          retried for some minutes: no connection, or one that broke
│   └── UnexpectedAnswer   LLM_PARSING_ERROR         retried for some minutes: a web page, or not the vendor's protocol
├── JudgeTimeout           LLM_PROVIDER_TIMEOUT      retried, and counted as paid
├── AdapterFailed          LLM_INTERNAL_ERROR        retried, and counted as paid: an error in this service
├── RequestRejected        LLM_PROVIDER_API_ERROR    final: the vendor does not accept this request
│   ├── WrongAddress       LLM_PARSING_ERROR         final for the whole batch: a web page with HTTP 4xx
│   └── UnknownModel       LLM_INVALID_CONFIG        final for the whole batch: the vendor has no such model
├── PromptTooLong          LLM_CONTENT_TOO_LONG      final
│   └── RequestBeyondLimit LLM_CONTENT_TOO_LONG      final: larger than what the account may use in a minute
├── KeyRejected            INVALID_API_KEY           final for the whole batch: the key is wrong
└── OutOfCredit            QUOTA_EXCEEDED            final for the whole batch: the account has no credit left
InvalidAnswer              LLM_INVALID_RESPONSE      retried and paid, unless the judge would repeat itself
└── PromptCut              LLM_CONTENT_TOO_LONG      final: the model's server read only the beginning of the prompt
RequestExpired             TIMEOUT                   final: not answered before its deadline
RequestCancelled           PROCESSING_ERROR          final: its caller no longer wants the answer
RequestSetAside            LLM_INTERNAL_ERROR        final: this service cannot handle the request
CostLimitExceeded          LLM_COST_LIMIT_EXCEEDED   refused, or final: one more call might cost too much
InvalidPrompt              LLM_INVALID_PROMPT        refused: holds characters that cannot be stored
ProviderNotConfigured      LLM_CONFIGURATION_ERROR   refused: no key or address is set here

The details of each say what it stops: ``scope`` is ``batch`` or ``comparison``, ``stops_batch`` is true for the first.
A vendor that has not answered for minutes stops the batch as well: ``outage_error``.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Final

from event_contracts import ErrorCode, InvalidRequest, JsonObject, ProviderFailureType, SuiteError

from llm_provider.domain.calls.answer import Defect, InvalidAnswer
from llm_provider.domain.limits import LimitReading


class Scope(StrEnum):
    """What an error stops: one comparison, or every comparison with the same judge."""

    COMPARISON = "comparison"
    BATCH = "batch"


def scope_details(scope: Scope) -> JsonObject:
    """What the details of every error of a request say about its scope."""
    return {"scope": scope, "stops_batch": scope is Scope.BATCH}


class JudgeError(SuiteError):
    """A call that gave no answer.

    ``may_be_billed``: the vendor may have done its work and bill it, although no answer arrived.
    """

    code = ErrorCode.LLM_PROVIDER_API_ERROR
    is_final: ClassVar[bool] = False
    scope: ClassVar[Scope] = Scope.COMPARISON
    bills_by_default: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None = None,
        limits: tuple[LimitReading, ...] = (),
        may_be_billed: bool | None = None,
        scope: Scope | None = None,
    ) -> None:
        super().__init__(message, details=scope_details(scope or self.scope))
        self.retry_after = retry_after
        self.limits = limits
        self.may_be_billed = self.bills_by_default if may_be_billed is None else may_be_billed


class RateLimitReached(JudgeError):
    """The vendor's rate limit was reached."""

    code = ErrorCode.LLM_PROVIDER_RATE_LIMIT


class JudgeUnavailable(JudgeError):
    """The vendor answers, but cannot do its work."""

    code = ErrorCode.LLM_PROVIDER_UNAVAILABLE


class JudgeUnreachable(JudgeUnavailable):
    """There is no connection to the vendor, or it broke before the answer was complete."""

    code = ErrorCode.CONNECTION_ERROR


class UnexpectedAnswer(JudgeUnavailable):
    """The response from the vendor's address does not follow the vendor's protocol."""

    code = ErrorCode.LLM_PARSING_ERROR


class JudgeTimeout(JudgeError):
    """The vendor did not answer in time; it may bill what it was working on."""

    code = ErrorCode.LLM_PROVIDER_TIMEOUT

    bills_by_default = True


class AdapterFailed(JudgeError):
    """An adapter raised an error that it should have translated; the vendor may bill the call."""

    code = ErrorCode.LLM_INTERNAL_ERROR
    bills_by_default = True


class RequestRejected(JudgeError):
    """The vendor does not accept the request."""

    is_final = True


class PromptTooLong(JudgeError):
    """The prompt is longer than the model reads."""

    code = ErrorCode.LLM_CONTENT_TOO_LONG
    is_final = True


class RequestBeyondLimit(PromptTooLong):
    """The account may use fewer tokens in a minute than this one request needs: waiting does not help."""


class UnknownModel(RequestRejected):
    """The vendor has no such model, or no longer offers it."""

    code = ErrorCode.LLM_INVALID_CONFIG
    scope = Scope.BATCH


class WrongAddress(RequestRejected):
    """What answers at the vendor's address refuses with a web page: it is not the vendor's API."""

    code = ErrorCode.LLM_PARSING_ERROR
    scope = Scope.BATCH


class KeyRejected(JudgeError):
    """The vendor does not accept the key."""

    code = ErrorCode.INVALID_API_KEY
    is_final = True
    scope = Scope.BATCH


class OutOfCredit(JudgeError):
    """The account has no credit left or is at its spending limit: waiting does not help, paying does."""

    code = ErrorCode.QUOTA_EXCEEDED
    is_final = True
    scope = Scope.BATCH


class RequestExpired(SuiteError):
    """No answer arrived before the deadline."""

    code = ErrorCode.TIMEOUT

    def __init__(self, message: str, *, last_error_code: str | None = None) -> None:
        details = scope_details(Scope.COMPARISON)
        super().__init__(message, details={**details, "last_error_code": last_error_code})


class RequestCancelled(SuiteError):
    """The caller cancelled the request."""

    code = ErrorCode.PROCESSING_ERROR

    def __init__(self) -> None:
        super().__init__("cancelled by its caller", details={"reason": "cancelled"})


class RequestSetAside(SuiteError):
    """This service failed at the request itself, again and again: an operator has to look at it."""

    code = ErrorCode.LLM_INTERNAL_ERROR

    def __init__(self, message: str) -> None:
        super().__init__(message, details={**scope_details(Scope.COMPARISON), "reason": "set_aside"})


class CostLimitExceeded(InvalidRequest):
    """One more call might cost more than the caller allows for the request."""

    code = ErrorCode.LLM_COST_LIMIT_EXCEEDED


class InvalidPrompt(InvalidRequest):
    """A request that cannot be stored, and so cannot be sent to a model."""

    code = ErrorCode.LLM_INVALID_PROMPT


class ProviderNotConfigured(InvalidRequest):
    """The request names a provider that has no key or address in this installation."""

    code = ErrorCode.LLM_CONFIGURATION_ERROR

    def __init__(self, message: str, *, configured: list[str]) -> None:
        details = scope_details(Scope.BATCH)
        super().__init__(message, details={**details, "configured_providers": [*configured]})

    @property
    def http_status(self) -> int:
        """The caller can name another provider, so it is told that its request is not valid here."""
        return 422


DETERMINISTIC_DEFECTS: Final = frozenset({Defect.REFUSAL, Defect.CUT_OFF, Defect.FENCED, Defect.PROMPT_CUT})
"""Defects that the answer has again if the same call is repeated."""
CHANCE_DEFECTS: Final = frozenset({Defect.BROKEN_OFF})
"""Defects that an answer got in transit, whatever the judge said."""


def may_be_retried(error: SuiteError, *, is_deterministic: bool = False) -> bool:
    """True when the same call may well succeed later; an answer that does not fit is a failure, never a vote.

    ``is_deterministic``: the judge gives the same answer to the same prompt.
    """
    if isinstance(error, InvalidAnswer):
        if error.defect in CHANCE_DEFECTS:
            return True
        return not is_deterministic and error.defect not in DETERMINISTIC_DEFECTS
    return isinstance(error, JudgeError) and not error.is_final


def is_vendor_failure(error: SuiteError) -> bool:
    """True for an error that says that the vendor is failing, whatever it was asked."""
    return isinstance(error, JudgeUnavailable | JudgeTimeout)


def failure_type(error: SuiteError) -> ProviderFailureType | None:
    """The platform's name for a vendor's failure; None for an error that is not the vendor's."""
    match error:
        case RateLimitReached():
            return ProviderFailureType.RATE_LIMIT
        case JudgeTimeout():
            return ProviderFailureType.TIMEOUT
        case JudgeUnavailable():
            return ProviderFailureType.SERVICE_UNAVAILABLE
        case _:
            return None


_OUTAGES: Final[Mapping[str, type[JudgeError]]] = {
    str(kind.code): kind for kind in (JudgeUnavailable, JudgeUnreachable, UnexpectedAnswer, JudgeTimeout)
}


def outage_error(*, code: str | None, message: str, timeout: timedelta) -> JudgeError:
    """The error of a request whose vendor answers no call; ``code`` and ``message`` are the last failed call's."""
    kind = _OUTAGES.get(code or "", JudgeUnavailable)
    return kind(
        f"{message}; gave up after {timeout.total_seconds():g} s without an answer", scope=Scope.BATCH
    )
