"""The HTTP application that every service serves: errors, health, metrics, OpenAPI and documentation in one shape."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog
from event_contracts import ErrorDetail, InvalidRequest, NotFound, SuiteError, Unavailable
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError
from quart import Blueprint, Quart, Response, g, request
from quart_schema import Info, QuartSchema, RequestSchemaValidationError, hide
from quart_schema.typing import PydanticDumpOptions
from werkzeug.exceptions import HTTPException

from service_kit.metrics import ServiceMetrics

log = structlog.get_logger()

CORRELATION_HEADER = "x-correlation-id"
MAX_BODY_BYTES = 32 * 1024 * 1024
CHECK_TIMEOUT_SECONDS = 3.0

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
    QuartSchema(
        app,
        info=Info(title=service.title, version=service.version),
        redoc_ui_path=None,
        scalar_ui_path=None,
        conversion_preference="pydantic",
        pydantic_dump_options=PydanticDumpOptions(mode="json"),
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


def _add_correlation(app: Quart) -> None:
    @app.before_request
    async def bind() -> None:
        try:
            g.correlation_id = UUID(request.headers.get(CORRELATION_HEADER, ""))
        except ValueError:
            g.correlation_id = uuid4()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(correlation_id=str(g.correlation_id))


def _add_request_metrics(app: Quart, metrics: ServiceMetrics) -> None:
    @app.before_request
    async def start_clock() -> None:
        g.started = time.perf_counter()

    @app.after_request
    async def observe(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unknown"
        seconds = time.perf_counter() - g.get("started", time.perf_counter())
        metrics.http_requests.labels(route, request.method, str(response.status_code)).observe(seconds)
        return response


def _add_error_answers(app: Quart, service: str) -> None:
    def answer(error: SuiteError, *, status: int | None = None) -> Response:
        detail = error.detail(
            service=service,
            operation=f"{request.method} {request.path}",
            correlation_id=g.get("correlation_id") or uuid4(),
        )
        response = Response(error_body(detail), status or error.http_status, content_type="application/json")
        if isinstance(error, Unavailable) and error.retry_after is not None:
            response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
        return response

    @app.errorhandler(SuiteError)
    async def suite_error(error: SuiteError) -> Response:
        log.info("http.rejected", error_code=str(error.code), reason=str(error), path=request.path)
        return answer(error)

    @app.errorhandler(RequestSchemaValidationError)
    async def body_does_not_fit(error: RequestSchemaValidationError) -> Response:
        return answer(_validation_error(error.validation_error))

    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        kind = NotFound if error.code == 404 else InvalidRequest
        return answer(kind(error.description or error.name), status=error.code)

    @app.errorhandler(Exception)
    async def unexpected(error: Exception) -> Response:
        log.exception("http.failed", path=request.path, exc_info=error)
        return answer(SuiteError("the service failed; the logs hold the reason under this correlation_id"))


def _validation_error(error: Exception) -> InvalidRequest:
    if isinstance(error, ValidationError):
        return InvalidRequest.of(error)
    return InvalidRequest(str(error) or "the body is not valid JSON")


def error_body(detail: ErrorDetail) -> str:
    """The body of every non-2xx answer."""
    return f'{{"error":{detail.model_dump_json()}}}'


def _operations(service: HttpService) -> Blueprint:
    blueprint = Blueprint("operations", __name__)

    @blueprint.get("/healthz")
    @hide
    async def healthz() -> dict[str, str]:
        return {"status": "alive", "service": service.name, "version": service.version}

    @blueprint.get("/readyz")
    @hide
    async def readyz() -> tuple[dict[str, object], int]:
        problems = await _failed_checks(service.checks)
        status: dict[str, object] = {"status": "ready" if not problems else "not ready", "problems": problems}
        return status, 503 if problems else 200

    @blueprint.get("/metrics")
    @hide
    async def metrics() -> Response:
        return Response(generate_latest(service.metrics.registry), content_type=CONTENT_TYPE_LATEST)

    return blueprint


async def _failed_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    outcomes = await asyncio.gather(*(_outcome(check) for check in checks.values()))
    return {name: outcome for name, outcome in zip(checks, outcomes, strict=True) if outcome is not None}


async def _outcome(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await check()
    except Exception as error:  # whatever a check raises is the answer
        return repr(error)
    return None
