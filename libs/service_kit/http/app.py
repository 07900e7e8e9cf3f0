"""The HTTP application that every service serves: errors, health, metrics, OpenAPI and documentation in one shape."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID, uuid4

import structlog
from event_contracts import Identifier, InvalidRequest
from pydantic import TypeAdapter, ValidationError
from quart import Blueprint, Quart, Response, g, request
from quart_schema import Info, QuartSchema, Server
from quart_schema.typing import PydanticDumpOptions
from werkzeug.exceptions import HTTPException

from service_kit.http.authentication import Gate
from service_kit.http.bodies import MAX_BODY_BYTES
from service_kit.http.edge import MAX_BYTES_ATTRIBUTE, REFUSAL_KEY, AsgiApp, Edge, LimitOf
from service_kit.http.error_answers import NO_ROUTE, add_error_answers
from service_kit.http.failed_logins import DEFAULT_MAX_FAILED_LOGINS, FailedLogins
from service_kit.http.openapi import SECURITY_SCHEMES, SuiteOpenApi
from service_kit.http.operations import Check, operations
from service_kit.http.permissions import Access, access_table
from service_kit.http.request_spans import TracedRequests, name_spans_by_route
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tracing import NO_TRACING, Tracing

CORRELATION_HEADER: Final = "x-correlation-id"
NOT_AUTHENTICATED: Final = 401
_IDENTIFIER: Final[TypeAdapter[str]] = TypeAdapter(Identifier)


@dataclass(frozen=True, kw_only=True)
class HttpService:
    """What distinguishes one service's application from another's; ``gate`` checks the callers of its routes."""

    name: str
    title: str
    version: str
    blueprints: Sequence[Blueprint]
    checks: Mapping[str, Check]
    metrics: ServiceMetrics
    gate: Gate
    max_failed_logins: int = DEFAULT_MAX_FAILED_LOGINS
    development: bool = False
    tracing: Tracing = NO_TRACING


def create_app(service: HttpService) -> Quart:
    """Build the application; it owns no resources and can be served by any ASGI server.

    Raises ``ConfigurationError`` for a route that does not say who may call it.
    """
    app = Quart(service.name)
    # The edge has read the body already, within the limit of its route.
    app.config["MAX_CONTENT_LENGTH"] = None
    # A path with a slash too many is no route. Werkzeug would answer it with a redirection to HTML.
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    # The documentation pages of quart-schema load their scripts from other hosts: ours is in operations.
    QuartSchema(
        app,
        info=Info(title=service.title, version=service.version),
        servers=[Server(url="/")],
        security_schemes={**SECURITY_SCHEMES},
        swagger_ui_path=None,
        redoc_ui_path=None,
        scalar_ui_path=None,
        conversion_preference="pydantic",
        openapi_provider_class=SuiteOpenApi,
        # Handed on to model_dump as it is: only in this mode is money a JSON number and a moment ISO 8601.
        pydantic_dump_options=PydanticDumpOptions(mode="json"),  # type: ignore[typeddict-unknown-key]  # see above
    )
    _add_correlation(app)
    _add_request_metrics(app, service.metrics)
    _add_failed_login_limit(app, per_minute=service.max_failed_logins)
    access: dict[str, Access] = {}
    _add_gate(app, service.gate, access)
    _add_refusals(app)
    add_error_answers(app, service.name)
    app.register_blueprint(
        operations(
            name=service.name,
            version=service.version,
            checks=service.checks,
            registry=service.metrics.registry,
            development=service.development,
        )
    )
    for blueprint in service.blueprints:
        app.register_blueprint(blueprint)
    access.update(access_table(app))
    edge = Edge(cast(AsgiApp, app.asgi_app), service=service.name, limit_of=_limit_of(app))
    app.asgi_app = edge  # type: ignore[method-assign]  # as Quart's documentation says of middleware
    if service.tracing.is_on:
        name_spans_by_route(app)
        app.asgi_app = TracedRequests(edge, service.tracing)  # type: ignore[method-assign]  # see above
    return app


def correlation_id() -> UUID:
    """The correlation id of the request being answered."""
    found: UUID = g.correlation_id
    return found


def _limit_of(app: Quart) -> LimitOf:
    def limit(method: str, path: str) -> int:
        try:
            endpoint, _ = app.url_map.bind("localhost").match(path, method=method)
        except HTTPException:
            return MAX_BODY_BYTES
        return int(getattr(app.view_functions[endpoint], MAX_BYTES_ATTRIBUTE, MAX_BODY_BYTES))

    return limit


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
        status = str(response.status_code)
        metrics.http.requests.labels(route, method, status).observe(seconds)
        metrics.http.platform_requests.labels(method, route, status).inc()
        return response


def _add_failed_login_limit(app: Quart, *, per_minute: int) -> None:
    """Counts the tokens that are refused; requests without a token are not counted."""
    logins = FailedLogins(per_minute=per_minute)

    @app.before_request
    async def check() -> None:
        if shown := request.headers.get("Authorization"):
            logins.check(request.remote_addr or "", shown)

    @app.after_request
    async def count(response: Response) -> Response:
        if shown := request.headers.get("Authorization"):
            if response.status_code == NOT_AUTHENTICATED:
                logins.refused(request.remote_addr or "")
            elif response.status_code < NOT_AUTHENTICATED:
                logins.accepted(shown)
        return response


def _add_gate(app: Quart, gate: Gate, access: Mapping[str, Access]) -> None:
    @app.before_request
    async def admit() -> None:
        if request.url_rule is None:
            return
        needed = access[request.url_rule.endpoint]
        if not needed.open_because:
            g.caller = await gate.admit(request.headers.getlist("Authorization"), any_of=needed.any_of)


def _add_refusals(app: Quart) -> None:
    @app.before_request
    async def refuse_body() -> None:
        refusal = cast("dict[str, HTTPException | None]", request.scope).get(REFUSAL_KEY)
        if refusal is not None:
            raise refusal

    @app.before_request
    async def check_ids() -> None:
        """Text in a path is an id: one that cannot have been given to anything is refused before it is looked for."""
        for name, value in (request.view_args or {}).items():
            if isinstance(value, str):
                try:
                    _IDENTIFIER.validate_python(value)
                except ValidationError as error:
                    reasons = InvalidRequest.of(error).message.removeprefix("message: ")
                    raise InvalidRequest(f"{name} in the path: {reasons}") from error
