"""Turns every error of a request into the documented body, its status and its headers."""

from typing import Final
from uuid import uuid4

import structlog
from event_contracts import (
    ErrorBody,
    ErrorDetail,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    RateLimited,
    SuiteError,
    Unavailable,
)
from pydantic import ValidationError
from quart import Quart, Response, g, request
from quart_schema import RequestSchemaValidationError
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from service_kit.storage.errors import RETRY_AFTER_SECONDS, is_infrastructure_error, is_unstorable

log = structlog.get_logger()

MAX_LOGGED_PATH: Final = 200
"""Characters of a path in a log line: clients make paths up, of any length."""

NO_SUCH_ROUTE: Final = "no_such_route"
"""Details' ``reason`` that tells a route that a service does not have from an unknown resource: both are 404."""

NO_ROUTE: Final = "unknown"
"""What requests to no route are counted under: a path or method made up by a client makes no time series."""

INVALID_JSON: Final = "the body is not valid JSON: send valid JSON with content-type application/json"


def error_body(detail: ErrorDetail) -> str:
    """The JSON of every answer that is not a 2xx."""
    return ErrorBody(error=detail).model_dump_json()


def add_error_answers(app: Quart, service: str) -> None:
    """Register the handlers of all errors."""

    @app.errorhandler(SuiteError)
    async def suite_error(error: SuiteError) -> Response:
        log.info(
            "http.rejected",
            error_code=str(error.code),
            reason=str(error),
            path=request.path[:MAX_LOGGED_PATH],
        )
        return _answer(error, service=service)

    @app.errorhandler(RequestSchemaValidationError)
    async def schema_mismatch(error: RequestSchemaValidationError) -> Response:
        return _answer(_invalid(error.validation_error), service=service)

    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        if error.code is None or error.code < 400 or (error.code == 404 and request.url_rule is None):
            no_route = NotFound("there is no such route: see /docs", details={"reason": NO_SUCH_ROUTE})
            return _answer(no_route, service=service)
        # quart answers 400 to a body that is not JSON: it is as unfit as one whose fields are wrong.
        status = 422 if error.code == 400 and request.url_rule else error.code
        kind = NotFound if status == 404 else InvalidRequest
        message = INVALID_JSON if status == 422 else error.description or error.name
        answer = _answer(kind(message), service=service, status=status)
        if allowed := getattr(error, "valid_methods", None):
            answer.headers["Allow"] = ", ".join(allowed)
        return answer

    @app.errorhandler(UnicodeDecodeError)
    async def not_utf8(error: UnicodeDecodeError) -> Response:
        return _answer(InvalidRequest(f"the body is not UTF-8: {error.reason}"), service=service)

    @app.errorhandler(Exception)
    async def unexpected(error: Exception) -> Response:
        path = request.path[:MAX_LOGGED_PATH]
        if isinstance(error, DBAPIError) and is_unstorable(error):
            return _answer(InvalidRequest("the request holds NUL characters or broken text"), service=service)
        if is_infrastructure_error(error):
            log.warning("http.unavailable", path=path, reason=repr(error))
            away = Unavailable("a dependency is unavailable: try again", retry_after=RETRY_AFTER_SECONDS)
            return _answer(away, service=service)
        log.exception("http.failed", path=path, exc_info=error)
        vague = SuiteError("the service failed; its logs hold the reason under this correlation_id")
        return _answer(vague, service=service)


def _answer(error: SuiteError, *, service: str, status: int | None = None) -> Response:
    route = request.url_rule.rule if request.url_rule else NO_ROUTE
    detail = error.detail(
        service=service,
        operation=f"{request.method} {route}" if request.url_rule else NO_ROUTE,
        correlation_id=g.get("correlation_id") or uuid4(),
    )
    response = Response(error_body(detail), status or error.http_status, content_type="application/json")
    if isinstance(error, Unavailable | RateLimited):
        response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if isinstance(error, NotAuthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _invalid(error: Exception) -> InvalidRequest:
    """The complaint without the value: it may be essay text."""
    if isinstance(error, ValidationError):
        return InvalidRequest.of(error)
    return InvalidRequest("the request does not fit the schema of this route: see /openapi.json")
