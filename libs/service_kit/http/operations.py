"""Routes that every service has for its operators: health, readiness, metrics and documentation."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from event_contracts import Unavailable, asyncapi_document
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from quart import Blueprint, Response, current_app, jsonify
from quart_schema import hide

from service_kit.http.docs_page import docs_page, events_page
from service_kit.http.permissions import open_to_all
from service_kit.storage.errors import RETRY_AFTER_SECONDS

log = structlog.get_logger()

CHECK_TIMEOUT_SECONDS: Final = 3.0
HTML: Final = "text/html; charset=utf-8"

Check = Callable[[], Awaitable[None]]
"""A readiness check: returns when all is well, raises otherwise."""


def operations(
    *,
    name: str,
    version: str,
    checks: Mapping[str, Check],
    registry: CollectorRegistry,
    development: bool = False,
) -> Blueprint:
    """The routes of one service; health says whether it is run for development."""
    blueprint = Blueprint("operations", __name__)

    @blueprint.get("/healthz")
    @hide
    @open_to_all("exposes no batch data")
    async def healthz() -> dict[str, str | bool]:
        said = {"development": True} if development else {}
        return {"status": "healthy", "service": name, "version": version, **said}

    @blueprint.get("/readyz")
    @hide
    @open_to_all("exposes no batch data")
    async def readyz() -> dict[str, str]:
        if problems := await _failed_checks(checks):
            raise Unavailable(
                f"not ready: {', '.join(problems)}; the log has the reasons",
                retry_after=RETRY_AFTER_SECONDS,
                details={"problems": {**problems}},
            )
        return {"status": "ready", "service": name, "version": version}

    @blueprint.get("/metrics")
    @hide
    @open_to_all("exposes no batch data")
    async def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    _add_documents(blueprint, version=version)
    return blueprint


def _add_documents(blueprint: Blueprint, *, version: str) -> None:
    @blueprint.get("/docs")
    @hide
    @open_to_all("exposes no batch data")
    async def docs() -> Response:
        document = current_app.extensions["QUART_SCHEMA"].openapi_provider.schema()
        return Response(docs_page(document), content_type=HTML)

    @blueprint.get("/docs/events")
    @hide
    @open_to_all("exposes no batch data")
    async def events() -> Response:
        return Response(events_page(asyncapi_document(version=version)), content_type=HTML)

    @blueprint.get("/asyncapi.json")
    @hide
    @open_to_all("exposes no batch data")
    async def asyncapi() -> Response:
        return jsonify(asyncapi_document(version=version))


async def _failed_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    """By name, the kind of failure: the log has it in full, callers do not need it."""
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
