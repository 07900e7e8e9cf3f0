"""Error codes, the body that carries them, and the errors that the suite raises.

SuiteError
├── InvalidRequest            VALIDATION_ERROR            422  what was sent is wrong; says what to do
│   ├── CallbackMissing       LLM_CALLBACK_TOPIC_MISSING  422
│   ├── InvalidCallback       LLM_INVALID_CALLBACK_TOPIC  422
│   └── InvalidLlmConfig      LLM_INVALID_CONFIG          422
├── MalformedEvent            PARSING_ERROR               422  a message that violates its contract
├── NotFound                  RESOURCE_NOT_FOUND          404
├── Conflict                  INVALID_REQUEST             409  well formed, but not possible as things are
├── NotAuthenticated          AUTHENTICATION_ERROR        401
├── NotAuthorized             AUTHORIZATION_ERROR         403
├── RateLimited               RATE_LIMIT                  429  carries retry_after
├── Unavailable               SERVICE_UNAVAILABLE         503  carries retry_after
│   └── QueueFull             LLM_QUEUE_FULL              503
├── ExternalServiceError      EXTERNAL_SERVICE_ERROR      502  another service failed
│   └── ContentServiceError   CONTENT_SERVICE_ERROR       502
├── RequestTimeout            TIMEOUT                     504
├── ConfigurationError        CONFIGURATION_ERROR         500  this installation is set up wrongly
└── ProcessingError           PROCESSING_ERROR            500
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

from pydantic import Field, JsonValue, ValidationError, field_serializer
from pydantic_core import ErrorDetails

from event_contracts.base import WireModel
from event_contracts.fields import (
    IDENTIFIER_PATTERN,
    INVALID_IDENTIFIER,
    MAX_JSON_DEPTH,
    NAME_PATTERN,
    TEXT_PATTERN,
    URL_PATTERN,
    JsonObject,
    LongText,
    Name,
    Text,
    UtcDatetime,
    check_json,
)

_REASONS_SHOWN: Final = 20
_STEP_SHOWN: Final = 60
_REASON_SHOWN: Final = 300
_MESSAGE_SHOWN: Final = 2_000
_DETAILS_DEPTH: Final = MAX_JSON_DEPTH // 2
"""An error travels inside the objects of other messages, whose own depth is limited."""

_PATTERNS: Final[Mapping[str, str]] = {
    IDENTIFIER_PATTERN: INVALID_IDENTIFIER,
    NAME_PATTERN: "must be printable characters on one line",
    TEXT_PATTERN: "must not hold a NUL character",
    URL_PATTERN: "must be an http or https address",
}


class ErrorCode(StrEnum):
    """Every code in use on the platform."""

    UNKNOWN_ERROR = "UNKNOWN_ERROR"
    VALIDATION_ERROR = "VALIDATION_ERROR"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    CONFIGURATION_ERROR = "CONFIGURATION_ERROR"
    EXTERNAL_SERVICE_ERROR = "EXTERNAL_SERVICE_ERROR"
    KAFKA_PUBLISH_ERROR = "KAFKA_PUBLISH_ERROR"
    CONTENT_SERVICE_ERROR = "CONTENT_SERVICE_ERROR"
    CJ_ASSESSMENT_SERVICE_ERROR = "CJ_ASSESSMENT_SERVICE_ERROR"
    LLM_PROVIDER_SERVICE_ERROR = "LLM_PROVIDER_SERVICE_ERROR"
    MISSING_REQUIRED_FIELD = "MISSING_REQUIRED_FIELD"
    INVALID_CONFIGURATION = "INVALID_CONFIGURATION"
    TIMEOUT = "TIMEOUT"
    CONNECTION_ERROR = "CONNECTION_ERROR"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    RATE_LIMIT = "RATE_LIMIT"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    AUTHENTICATION_ERROR = "AUTHENTICATION_ERROR"
    AUTHORIZATION_ERROR = "AUTHORIZATION_ERROR"
    INVALID_API_KEY = "INVALID_API_KEY"
    INVALID_REQUEST = "INVALID_REQUEST"
    INVALID_RESPONSE = "INVALID_RESPONSE"
    PARSING_ERROR = "PARSING_ERROR"
    CIRCUIT_BREAKER_OPEN = "CIRCUIT_BREAKER_OPEN"
    REQUEST_QUEUED = "REQUEST_QUEUED"
    PROCESSING_ERROR = "PROCESSING_ERROR"
    INITIALIZATION_FAILED = "INITIALIZATION_FAILED"
    LLM_PROVIDER_UNAVAILABLE = "LLM_PROVIDER_UNAVAILABLE"
    LLM_PROVIDER_RATE_LIMIT = "LLM_PROVIDER_RATE_LIMIT"
    LLM_PROVIDER_TIMEOUT = "LLM_PROVIDER_TIMEOUT"
    LLM_PROVIDER_API_ERROR = "LLM_PROVIDER_API_ERROR"
    LLM_INVALID_PROMPT = "LLM_INVALID_PROMPT"
    LLM_CONTENT_TOO_LONG = "LLM_CONTENT_TOO_LONG"
    LLM_INVALID_CONFIG = "LLM_INVALID_CONFIG"
    LLM_QUEUE_FULL = "LLM_QUEUE_FULL"
    LLM_INTERNAL_ERROR = "LLM_INTERNAL_ERROR"
    LLM_CALLBACK_TOPIC_MISSING = "LLM_CALLBACK_TOPIC_MISSING"
    LLM_INVALID_CALLBACK_TOPIC = "LLM_INVALID_CALLBACK_TOPIC"
    LLM_PARSING_ERROR = "LLM_PARSING_ERROR"
    LLM_INVALID_RESPONSE = "LLM_INVALID_RESPONSE"
    LLM_COST_LIMIT_EXCEEDED = "LLM_COST_LIMIT_EXCEEDED"
    LLM_CONFIGURATION_ERROR = "LLM_CONFIGURATION_ERROR"
    BCS_PIPELINE_DEPENDENCY_RESOLUTION_FAILED = "BCS_PIPELINE_DEPENDENCY_RESOLUTION_FAILED"
    BCS_PIPELINE_DEPENDENCY_CYCLE_DETECTED = "BCS_PIPELINE_DEPENDENCY_CYCLE_DETECTED"
    BCS_PIPELINE_COMPATIBILITY_FAILED = "BCS_PIPELINE_COMPATIBILITY_FAILED"
    CJ_SCORE_CONVERGENCE_FAILED = "CJ_SCORE_CONVERGENCE_FAILED"
    CJ_COMPARISON_IMBALANCE = "CJ_COMPARISON_IMBALANCE"
    EMPTY_CONTENT = "EMPTY_CONTENT"
    CONTENT_TOO_SHORT = "CONTENT_TOO_SHORT"
    CONTENT_TOO_LONG = "CONTENT_TOO_LONG"
    TEXT_EXTRACTION_FAILED = "TEXT_EXTRACTION_FAILED"
    ENCRYPTED_FILE_UNSUPPORTED = "ENCRYPTED_FILE_UNSUPPORTED"


_STATUSES: Final[Mapping[int, frozenset[ErrorCode]]] = {
    401: frozenset({ErrorCode.AUTHENTICATION_ERROR}),
    403: frozenset({ErrorCode.AUTHORIZATION_ERROR}),
    404: frozenset({ErrorCode.RESOURCE_NOT_FOUND}),
    409: frozenset({ErrorCode.INVALID_REQUEST}),
    422: frozenset(
        {
            ErrorCode.VALIDATION_ERROR,
            ErrorCode.MISSING_REQUIRED_FIELD,
            ErrorCode.PARSING_ERROR,
            ErrorCode.LLM_INVALID_PROMPT,
            ErrorCode.LLM_CONTENT_TOO_LONG,
            ErrorCode.LLM_INVALID_CONFIG,
            ErrorCode.LLM_CALLBACK_TOPIC_MISSING,
            ErrorCode.LLM_INVALID_CALLBACK_TOPIC,
            ErrorCode.LLM_COST_LIMIT_EXCEEDED,
            ErrorCode.BCS_PIPELINE_DEPENDENCY_RESOLUTION_FAILED,
            ErrorCode.BCS_PIPELINE_COMPATIBILITY_FAILED,
            ErrorCode.EMPTY_CONTENT,
            ErrorCode.CONTENT_TOO_SHORT,
            ErrorCode.CONTENT_TOO_LONG,
            ErrorCode.TEXT_EXTRACTION_FAILED,
            ErrorCode.ENCRYPTED_FILE_UNSUPPORTED,
        }
    ),
    429: frozenset({ErrorCode.RATE_LIMIT, ErrorCode.QUOTA_EXCEEDED, ErrorCode.LLM_PROVIDER_RATE_LIMIT}),
    502: frozenset(
        {
            ErrorCode.EXTERNAL_SERVICE_ERROR,
            ErrorCode.CONTENT_SERVICE_ERROR,
            ErrorCode.CJ_ASSESSMENT_SERVICE_ERROR,
            ErrorCode.LLM_PROVIDER_SERVICE_ERROR,
            ErrorCode.CONNECTION_ERROR,
            ErrorCode.INVALID_API_KEY,
            ErrorCode.INVALID_RESPONSE,
            ErrorCode.LLM_PROVIDER_API_ERROR,
            ErrorCode.LLM_PARSING_ERROR,
            ErrorCode.LLM_INVALID_RESPONSE,
        }
    ),
    503: frozenset(
        {
            ErrorCode.SERVICE_UNAVAILABLE,
            ErrorCode.KAFKA_PUBLISH_ERROR,
            ErrorCode.CIRCUIT_BREAKER_OPEN,
            ErrorCode.LLM_PROVIDER_UNAVAILABLE,
            ErrorCode.LLM_QUEUE_FULL,
        }
    ),
    504: frozenset({ErrorCode.TIMEOUT, ErrorCode.LLM_PROVIDER_TIMEOUT}),
}
_STATUS_BY_CODE: Final = {code: status for status, codes in _STATUSES.items() for code in codes}


def http_status(code: ErrorCode) -> int:
    """The HTTP status of an error code: 500 where a code is about ourselves and nothing else fits."""
    return _STATUS_BY_CODE.get(code, 500)


class ErrorDetail(WireModel):
    """What went wrong, where and under which correlation id; the code may be another service's own."""

    error_code: Name
    message: Text
    correlation_id: UUID
    timestamp: UtcDatetime
    service: Name
    operation: Name
    details: JsonObject = Field(default_factory=dict)
    stack_trace: LongText | None = None
    trace_id: Text | None = None
    span_id: Text | None = None

    @field_serializer("stack_trace", when_used="json")
    def _stays_inside(self, _stack_trace: str | None) -> None:
        """No stack trace leaves a service, not even one that another service let out."""


class ErrorBody(WireModel):
    """The body of every answer that is not a 2xx."""

    error: ErrorDetail


class SuiteError(Exception):
    """An error that has a code in the contract; `details` must hold no essay text, prompt or secret."""

    code: ClassVar[ErrorCode] = ErrorCode.UNKNOWN_ERROR

    def __init__(self, message: str, *, details: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, JsonValue] = dict(details or {})

    @property
    def http_status(self) -> int:
        """The HTTP status that this error is answered with."""
        return http_status(self.code)

    def detail(self, *, service: str, operation: str, correlation_id: UUID) -> ErrorDetail:
        """This error as it goes onto the wire, stamped with the present moment.

        A message or details that are too large for the wire are shortened and say so: an error must never fail to
        be reported.
        """
        return ErrorDetail(
            error_code=self.code,
            message=shortened(self.message, _MESSAGE_SHOWN),
            correlation_id=correlation_id,
            timestamp=datetime.now(UTC),
            service=service,
            operation=operation,
            details=_bounded(self.details),
        )


class InvalidRequest(SuiteError):
    """What was sent is wrong, and the sender can put it right."""

    code = ErrorCode.VALIDATION_ERROR

    @classmethod
    def of(cls, error: ValidationError) -> "InvalidRequest":
        """The same complaint as pydantic's, field by field, without the values."""
        reasons = validation_reasons(error)
        return cls("; ".join(reasons), details={"reasons": list(reasons)})


class CallbackMissing(InvalidRequest):
    """A comparison was requested without saying where its result should go."""

    code = ErrorCode.LLM_CALLBACK_TOPIC_MISSING


class InvalidCallback(InvalidRequest):
    """A comparison's result was to go where results may not go."""

    code = ErrorCode.LLM_INVALID_CALLBACK_TOPIC


class InvalidLlmConfig(InvalidRequest):
    """An unknown provider or model, or an override that the model cannot honour."""

    code = ErrorCode.LLM_INVALID_CONFIG


class MalformedEvent(SuiteError):
    """A message that violates its contract: it belongs on the dead-letter topic."""

    code = ErrorCode.PARSING_ERROR

    def __init__(self, message: str, *, reasons: tuple[str, ...]) -> None:
        super().__init__(f"{message}: {'; '.join(reasons)}", details={"reasons": list(reasons)})
        self.reasons = reasons


class NotFound(SuiteError):
    """Nothing is known under the id that was asked for."""

    code = ErrorCode.RESOURCE_NOT_FOUND


class Conflict(SuiteError):
    """The request is well formed, but not allowed in the current state."""

    code = ErrorCode.INVALID_REQUEST


class NotAuthenticated(SuiteError):
    """No token, or one that is not valid."""

    code = ErrorCode.AUTHENTICATION_ERROR


class NotAuthorized(SuiteError):
    """A valid token that does not allow this."""

    code = ErrorCode.AUTHORIZATION_ERROR


class _Retryable(SuiteError):
    def __init__(
        self, message: str, *, retry_after: float, details: Mapping[str, JsonValue] | None = None
    ) -> None:
        super().__init__(message, details={**(details or {}), "retry_after_seconds": retry_after})
        self.retry_after = retry_after


class RateLimited(_Retryable):
    """Too many requests; try again after `retry_after` seconds."""

    code = ErrorCode.RATE_LIMIT


class Unavailable(_Retryable):
    """Cannot do its work at the moment; try again after `retry_after` seconds."""

    code = ErrorCode.SERVICE_UNAVAILABLE


class QueueFull(Unavailable):
    """The queue of judge requests is full; try again after `retry_after` seconds."""

    code = ErrorCode.LLM_QUEUE_FULL


class ExternalServiceError(SuiteError):
    """Another service failed or violated its contract."""

    code = ErrorCode.EXTERNAL_SERVICE_ERROR


class ContentServiceError(ExternalServiceError):
    """The content service failed."""

    code = ErrorCode.CONTENT_SERVICE_ERROR


class RequestTimeout(SuiteError):
    """No answer within the time allowed."""

    code = ErrorCode.TIMEOUT


class ConfigurationError(SuiteError):
    """This installation is set up in a way that cannot work."""

    code = ErrorCode.CONFIGURATION_ERROR


class ProcessingError(SuiteError):
    """The work itself failed."""

    code = ErrorCode.PROCESSING_ERROR


def validation_reasons(error: ValidationError) -> tuple[str, ...]:
    """Which field is wrong and how, at most twenty of them, never the value: it may be essay text."""
    found = error.errors(include_url=False, include_input=False)
    shown = []
    for item in found[:_REASONS_SHOWN]:
        # A step may be a key that the sender made up, of any length.
        place = ".".join(shortened(str(step), _STEP_SHOWN) for step in item["loc"]) or "message"
        shown.append(f"{place}: {_complaint(item)}")
    hidden = len(found) - len(shown)
    return (*shown, f"and {hidden} more") if hidden else tuple(shown)


def _complaint(item: ErrorDetails) -> str:
    pattern = item.get("ctx", {}).get("pattern")
    return _PATTERNS.get(str(pattern)) or shortened(item["msg"], _REASON_SHOWN)


def shortened(text: str, limit: int) -> str:
    """The text on the wire: NUL and lone surrogates spelt out, and of a longer text its start and its length."""
    plain = text.replace("\x00", "\\x00")
    if not plain.isascii():
        plain = plain.encode(errors="backslashreplace").decode()
    return plain if len(plain) <= limit else f"{plain[:limit]}… ({len(plain)} characters)"


def _bounded(details: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        check_json(details, max_depth=_DETAILS_DEPTH)
    except ValueError as error:
        return {"details_left_out": f"the details cannot be sent: {error}"}
    return details
