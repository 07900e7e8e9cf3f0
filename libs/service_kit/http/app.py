"""The HTTP application that every service serves: errors, health, metrics, OpenAPI and documentation in one shape."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID, uuid4

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
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ValidationError
from quart import Blueprint, Quart, Response, current_app, g, request
from quart_schema import Info, QuartSchema, RequestSchemaValidationError, hide
from quart_schema.typing import PydanticDumpOptions
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from service_kit.http.docs_page import docs_page
from service_kit.storage.errors import is_unstorable
from service_kit.telemetry.metrics import ServiceMetrics

log = structlog.get_logger()

CORRELATION_HEADER = "x-correlation-id"
MAX_BODY_BYTES = 32 * 1024 * 1024
CHECK_TIMEOUT_SECONDS = 3.0
RETRY_AFTER_SECONDS = 5.0

NO_JSON = "the body is not JSON that can be read: send valid JSON with content-type application/json"
NO_ROUTE = "unknown"
"""What requests to no route are counted under: a path or method made up by a client makes no time series."""

ModelT = TypeVar("ModelT", bound=BaseModel)

Check = Callable[[], Awaitable[None]]
"""A readiness check: returns when all is well, raises otherwise."""


@dataclass(frozen=True, kw_only=True)
class HttpService:
    """What distinguishes one service's application from another's."""

    name: str
    title: str
    version: str
    blueprints: Sequence[Blueprint]
    checks: Mapping[str, Check]
    metrics: ServiceMetrics


def create_app(service: HttpService) -> Quart:
    """Build the application; it owns no resources and can be served by any ASGI server."""
    app = Quart(service.name)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    # The documentation pages of quart-schema load their scripts from other hosts: ours is in _operations.
    QuartSchema(
        app,
        info=Info(title=service.title, version=service.version),
        swagger_ui_path=None,
        redoc_ui_path=None,
        scalar_ui_path=None,
        conversion_preference="pydantic",
        # Handed on to model_dump as it is: only in this mode is money a JSON number and a moment ISO 8601.
        pydantic_dump_options=PydanticDumpOptions(mode="json"),  # type: ignore[typeddict-unknown-key]  # see above
    )
    _add_correlation(app)
    _add_request_metrics(app, service.metrics)
    _add_error_answers(app, service.name)
    app.register_blueprint(_operations(service))
    for blueprint in service.blueprints:
        app.register_blueprint(blueprint)
    return app


def correlation_id() -> UUID:
    """The correlation id of the request being answered."""
    found: UUID = g.correlation_id
    return found


async def request_body() -> bytes:
    """The bytes of the request being answered, exactly as they came."""
    body = await request.get_data(as_text=False)
    return body if isinstance(body, bytes) else body.encode()


async def json_body(model: type[ModelT]) -> ModelT:
    """The body of the request being answered, in one step from its bytes: for routes whose bodies are large.

    Raises ``InvalidRequest``.
    """
    if not request.is_json:
        raise InvalidRequest(NO_JSON)
    try:
        return model.model_validate_json(await request_body())
    except ValidationError as error:
        raise InvalidRequest.of(error) from error


def _add_correlation(app: Quart) -> None:
    @app.before_request
    async def bind() -> None:
        try:
            g.correlation_id = UUID(request.headers.get(CORRELATION_HEADER, ""))
        except ValueError:
            g.correlation_id = uuid4()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(correlation_id=str(g.correlation_id))

    @app.after_request
    async def tell(response: Response) -> Response:
        response.headers[CORRELATION_HEADER] = str(g.correlation_id)
        return response


def _add_request_metrics(app: Quart, metrics: ServiceMetrics) -> None:
    @app.before_request
    async def start_clock() -> None:
        g.started = time.perf_counter()

    @app.after_request
    async def observe(response: Response) -> Response:
        seconds = time.perf_counter() - g.get("started", time.perf_counter())
        route, method = (request.url_rule.rule, request.method) if request.url_rule else (NO_ROUTE, NO_ROUTE)
        metrics.http_requests.labels(route, method, str(response.status_code)).observe(seconds)
        return response


def _add_error_answers(app: Quart, service: str) -> None:
    @app.errorhandler(SuiteError)
    async def suite_error(error: SuiteError) -> Response:
        log.info("http.rejected", error_code=str(error.code), reason=str(error), path=request.path)
        return _answer(error, service=service)

    @app.errorhandler(RequestSchemaValidationError)
    async def body_does_not_fit(error: RequestSchemaValidationError) -> Response:
        return _answer(_invalid(error.validation_error), service=service)

    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        # quart answers 400 to a body that is not JSON: it is as unfit as one whose fields are wrong.
        status = 422 if error.code == 400 and request.url_rule else error.code
        kind = NotFound if status == 404 else InvalidRequest
        said = NO_JSON if status == 422 else error.description or error.name
        answer = _answer(kind(said), service=service, status=status)
        if allowed := getattr(error, "valid_methods", None):
            answer.headers["Allow"] = ", ".join(allowed)
        return answer

    @app.errorhandler(UnicodeDecodeError)
    async def not_utf8(error: UnicodeDecodeError) -> Response:
        return _answer(InvalidRequest(f"the body is not UTF-8: {error.reason}"), service=service)

    @app.errorhandler(DBAPIError)
    async def not_stored(error: DBAPIError) -> Response:
        if not is_unstorable(error):
            return await unexpected(error)
        return _answer(InvalidRequest("the request holds NUL characters or broken text"), service=service)

    @app.errorhandler(RecursionError)
    async def too_deep(error: RecursionError) -> Response:
        if "decoding a JSON" not in str(error):
            return await unexpected(error)
        return _answer(InvalidRequest("the body is nested too deeply"), service=service)

    @app.errorhandler(Exception)
    async def unexpected(error: Exception) -> Response:
        log.exception("http.failed", path=request.path, exc_info=error)
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


def error_body(detail: ErrorDetail) -> str:
    """The body of every non-2xx answer."""
    return ErrorBody(error=detail).model_dump_json()


def _operations(service: HttpService) -> Blueprint:
    blueprint = Blueprint("operations", __name__)

    @blueprint.get("/healthz")
    @hide
    async def healthz() -> dict[str, str]:
        return {"status": "alive", "service": service.name, "version": service.version}

    @blueprint.get("/readyz")
    @hide
    async def readyz() -> dict[str, str]:
        if problems := await _failed_checks(service.checks):
            raise Unavailable(
                f"not ready: {', '.join(problems)}",
                retry_after=RETRY_AFTER_SECONDS,
                details={"problems": {**problems}},
            )
        return {"status": "ready", "service": service.name, "version": service.version}

    @blueprint.get("/metrics")
    @hide
    async def metrics() -> Response:
        return Response(generate_latest(service.metrics.registry), content_type=CONTENT_TYPE_LATEST)

    @blueprint.get("/docs")
    @hide
    async def docs() -> Response:
        document = current_app.extensions["QUART_SCHEMA"].openapi_provider.schema()
        return Response(docs_page(document), content_type="text/html; charset=utf-8")

    return blueprint


async def _failed_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    """By name, what kind of failure it was: the log has it in full, the outside does not need it."""
    outcomes = await asyncio.gather(*(_outcome(name, check) for name, check in checks.items()))
    return {name: outcome for name, outcome in zip(checks, outcomes, strict=True) if outcome is not None}


async def _outcome(name: str, check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await check()
    except Exception as error:  # whatever a check raises is the answer
        log.warning("service.not_ready", check=name, reason=repr(error))
        return type(error).__name__
    return None
