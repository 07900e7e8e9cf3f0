"""What the clients of cj-run and cj-admin share: requests, which answers are retried, and what errors become."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

import httpx2
from event_contracts import (
    ExternalServiceError,
    InvalidRequest,
    SuiteError,
    WireModel,
    error_detail,
    retry_after_seconds,
    validation_reasons,
)
from pydantic import ValidationError

AnswerT = TypeVar("AnswerT", bound=WireModel)
TRY_LATER: Final = frozenset({429, 502, 503, 504})
"""After an answer with one of these statuses the request is repeated. All requests of both programs may be: the second
deletion of one thing, after an answer that a proxy lost, says that there is no such thing."""
MAX_SHOWN: Final = 200
"""Characters of an answer that an error quotes."""


class ServiceRefused(InvalidRequest):
    """The service answered with an error that the caller can correct; ``service_code`` is its own code."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        service_code: str | None = None,
        service_details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.service_code = service_code
        self.service_details = service_details or {}


class ServiceUnavailable(ExternalServiceError):
    """The service asked for a pause, of ``retry_after`` seconds where it says so, or did not answer."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NoAnswer(ServiceUnavailable):
    """There was no answer from the service's address."""


@dataclass(frozen=True, kw_only=True)
class ServiceClient:
    """The CJ Assessment service over HTTP, without its routes; subclasses send requests, blocking or not."""

    PROGRAM: ClassVar[str]
    """The program's name, for its messages."""
    TIMEOUT_SECONDS: ClassVar[float]
    MAX_RETRY_DELAY_SECONDS: ClassVar[float]
    RETRIES_NO_ANSWER: ClassVar[bool]
    """Whether to wait for a service that does not answer at all, as for one that asks for a pause."""

    http: httpx2.Client | httpx2.AsyncClient
    base_url: str

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | None] | None = None,
        content: bytes | None = None,
        kind: str = "application/json",
    ) -> httpx2.Request:
        """A request to the service; parameters that are None are left out."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            return self.http.build_request(
                method,
                f"{self.base_url}{path}",
                params=given or None,
                content=content,
                headers={} if content is None else {"content-type": kind},
                timeout=self.TIMEOUT_SECONDS,
            )
        except httpx2.InvalidURL as error:
            raise InvalidRequest(f"--url {self.base_url[:MAX_SHOWN]} is not an address: {error}") from error

    def retry_delay(self, error: Exception) -> bool | float:
        """False for no retry, True for one after the usual delay, or the seconds that the service asked for."""
        if not isinstance(error, ServiceUnavailable):
            return False
        if isinstance(error, NoAnswer):
            return self.RETRIES_NO_ANSWER
        return True if error.retry_after is None else min(error.retry_after, self.MAX_RETRY_DELAY_SECONDS)

    def parsed(self, model: type[AnswerT], answer: httpx2.Response) -> AnswerT:
        """The answer as this type; raises ``ExternalServiceError`` where it is none."""
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            reasons = "; ".join(validation_reasons(error)[:3])
            raise ExternalServiceError(
                f"{_asked(answer)} returned an invalid response ({reasons}): is this the CJ Assessment service,"
                f" and of the same version as {self.PROGRAM}?"
            ) from error

    def no_answer(self, error: httpx2.HTTPError) -> NoAnswer:
        """The error of a request that was not answered."""
        reason = str(error) or type(error).__name__
        return NoAnswer(
            f"no answer from {self.base_url} ({reason}): is the suite up? Start it with cj-suite up, or say with"
            " --url where it is"
        )

    def checked(self, answer: httpx2.Response) -> httpx2.Response:
        """The answer, if it is from the service itself: redirections are not followed."""
        if answer.is_redirect:
            raise ExternalServiceError(
                f"{self.base_url} answers with a redirection to"
                f" {answer.headers.get('location', 'nowhere')[:MAX_SHOWN]}: a token goes to one address only; name"
                " that one with --url if it is the service's own"
            )
        return answer

    def error(self, answer: httpx2.Response) -> SuiteError:
        """The error that an answer of 400 or more stands for."""
        detail = error_detail(answer.content)
        message = (
            f"{_asked(answer)} was answered with {answer.status_code} {answer.text[:MAX_SHOWN]!r}: is this the"
            " CJ Assessment service?"
            if detail is None
            else detail.message
        )
        if answer.status_code in TRY_LATER:
            return ServiceUnavailable(
                f"the service cannot answer now: {message}",
                retry_after=retry_after_seconds(answer.headers.get("Retry-After")),
            )
        if answer.is_client_error:
            return ServiceRefused(
                message,
                status=answer.status_code,
                service_code=None if detail is None else detail.error_code,
                service_details=None if detail is None else detail.details,
            )
        return ExternalServiceError(f"the service failed with {answer.status_code}: {message}")


def _asked(answer: httpx2.Response) -> str:
    return f"{answer.request.method} {answer.request.url}"
