"""How a call to a judge can fail, and how a request can end without one.

JudgeError
├── JudgeBusy          LLM_PROVIDER_RATE_LIMIT   try again, after what the vendor says
├── JudgeUnavailable   LLM_PROVIDER_UNAVAILABLE  try again
├── JudgeTimeout       LLM_PROVIDER_TIMEOUT      try again
├── JudgeRefused       LLM_PROVIDER_API_ERROR    final: the vendor does not accept the request
├── PromptTooLong      LLM_CONTENT_TOO_LONG      final
├── JudgeForbidden     INVALID_API_KEY           final: the key is missing or wrong
└── JudgeOutOfCredit   QUOTA_EXCEEDED            final: the account has no credit left
InvalidAnswer          LLM_INVALID_RESPONSE      try again, a few times; final where the model refused
RequestExpired         TIMEOUT                   final: not answered before its deadline
RequestCancelled       PROCESSING_ERROR          final: its caller does not want the answer any more
CostLimitExceeded      LLM_COST_LIMIT_EXCEEDED   at the door, or final: one more call might cost too much
InvalidPrompt          LLM_INVALID_PROMPT        at the door: holds characters that cannot be kept
"""

from datetime import timedelta
from typing import ClassVar

from event_contracts import ErrorCode, InvalidRequest, ProviderFailureType, SuiteError

from llm_provider.domain.answer import Defect, InvalidAnswer
from llm_provider.domain.limits import LimitReading


class JudgeError(SuiteError):
    """A call that gave no answer."""

    code = ErrorCode.LLM_PROVIDER_API_ERROR
    is_final: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None = None,
        limits: tuple[LimitReading, ...] = (),
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.limits = limits


class JudgeBusy(JudgeError):
    """The vendor's rate limit was reached."""

    code = ErrorCode.LLM_PROVIDER_RATE_LIMIT


class JudgeUnavailable(JudgeError):
    """The vendor failed or could not be reached."""

    code = ErrorCode.LLM_PROVIDER_UNAVAILABLE


class JudgeTimeout(JudgeError):
    """The vendor did not answer in time."""

    code = ErrorCode.LLM_PROVIDER_TIMEOUT


class JudgeRefused(JudgeError):
    """The vendor does not accept the request."""

    is_final = True


class PromptTooLong(JudgeError):
    """The prompt is longer than the model reads."""

    code = ErrorCode.LLM_CONTENT_TOO_LONG
    is_final = True


class JudgeForbidden(JudgeError):
    """The vendor does not accept the key."""

    code = ErrorCode.INVALID_API_KEY
    is_final = True


class JudgeOutOfCredit(JudgeError):
    """The account at the vendor is spent or at its spending limit: waiting does not help, paying does."""

    code = ErrorCode.QUOTA_EXCEEDED
    is_final = True


class RequestExpired(SuiteError):
    """Nobody answered before the deadline."""

    code = ErrorCode.TIMEOUT


class RequestCancelled(SuiteError):
    """The caller took the request back."""

    code = ErrorCode.PROCESSING_ERROR

    def __init__(self) -> None:
        super().__init__("cancelled by its caller", details={"reason": "cancelled"})


class CostLimitExceeded(InvalidRequest):
    """One more call might cost more than the caller allows for the request."""

    code = ErrorCode.LLM_COST_LIMIT_EXCEEDED


class InvalidPrompt(InvalidRequest):
    """A request that cannot be kept, let alone be put to a model."""

    code = ErrorCode.LLM_INVALID_PROMPT


def may_be_retried(error: SuiteError) -> bool:
    """True when the same call may well succeed later; an answer that does not fit is such a failure, never a vote."""
    if isinstance(error, InvalidAnswer):
        return error.defect is not Defect.REFUSAL
    return isinstance(error, JudgeError) and not error.is_final


def is_vendor_failure(error: SuiteError) -> bool:
    """True for what says that the vendor is not well, whatever it was asked."""
    return isinstance(error, JudgeUnavailable | JudgeTimeout)


def failure_type(error: SuiteError) -> ProviderFailureType | None:
    """The platform's name for a vendor's failure; None for what is no failure of the vendor's."""
    match error:
        case JudgeBusy():
            return ProviderFailureType.RATE_LIMIT
        case JudgeTimeout():
            return ProviderFailureType.TIMEOUT
        case JudgeUnavailable():
            return ProviderFailureType.SERVICE_UNAVAILABLE
        case _:
            return None
