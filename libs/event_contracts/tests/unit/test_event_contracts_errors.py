"""Errors on the wire: each has one code and one status, and none carries what must stay inside."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from event_contracts import (
    Conflict,
    ErrorBody,
    ErrorCode,
    ErrorDetail,
    ExternalServiceError,
    InvalidRequest,
    NotAuthenticated,
    NotAuthorized,
    NotFound,
    QueueFull,
    RateLimited,
    RequestTimeout,
    SuiteError,
    Unavailable,
    http_status,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest("m"), 422),
        (NotAuthenticated("m"), 401),
        (NotAuthorized("m"), 403),
        (NotFound("m"), 404),
        (Conflict("m"), 409),
        (RateLimited("m", retry_after=1), 429),
        (ExternalServiceError("m"), 502),
        (Unavailable("m", retry_after=1), 503),
        (QueueFull("m", retry_after=1), 503),
        (RequestTimeout("m"), 504),
        (SuiteError("m"), 500),
    ],
)
def test_an_error_is_answered_with_its_status(error: SuiteError, status: int) -> None:
    assert error.http_status == status


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_is_spelt_as_its_name_and_has_an_error_status(code: ErrorCode) -> None:
    assert code.value == code.name
    assert 400 <= http_status(code) < 600


def test_an_error_goes_onto_the_wire_with_its_code_and_details() -> None:
    error = QueueFull("2,000 requests are waiting", retry_after=30, details={"waiting": 2000})

    body = ErrorBody(error=error.detail(service="s", operation="o", correlation_id=UUID(int=1)))

    assert body.error.error_code == "LLM_QUEUE_FULL"
    assert body.error.details == {"waiting": 2000, "retry_after_seconds": 30}
    assert ErrorBody.model_validate_json(body.model_dump_json()) == body


def test_no_stack_trace_leaves_a_service() -> None:
    let_out = ErrorDetail(
        error_code="SOMETHING_NEW",
        message="m",
        correlation_id=UUID(int=1),
        timestamp=datetime.now(UTC),
        service="other",
        operation="o",
        stack_trace="Traceback (most recent call last)",
    )

    assert '"stack_trace":null' in let_out.model_dump_json()
    assert let_out.model_dump(mode="json")["stack_trace"] is None
