"""The OpenAPI document of each service, asked from the service itself."""

from collections.abc import Mapping
from typing import Any, Final

import batch_conductor.main
import batch_conductor.settings
import cj_assessment.main
import cj_assessment.settings
import llm_provider.main
import llm_provider.settings
from pydantic import SecretStr
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.running import Service

_SECRET: Final = SecretStr("whsec_" + "A" * 40)
_DATABASE: Final = "postgresql+asyncpg://postgres@127.0.0.1/none"


async def openapi_documents() -> dict[str, Mapping[str, Any]]:
    """The documents, by the service's name."""
    bus = MemoryEventBus()
    common: dict[str, Any] = {
        "database_url": _DATABASE,
        "event_bus": "memory",
        "callback_signing_secret": _SECRET,
    }
    assessment = cj_assessment.settings.Settings(
        **common, llm_provider_url="http://127.0.0.1:8102", default_provider="mock"
    )
    # A service describes its administrators' routes only where their tokens can be checked.
    provider = llm_provider.settings.Settings(**common, jwt_secret=_SECRET)
    services = [
        await batch_conductor.main.assemble(
            batch_conductor.settings.Settings(**common, jwt_secret=_SECRET), bus=bus
        ),
        await llm_provider.main.assemble(provider, bus=bus),
        await cj_assessment.main.assemble(assessment, bus=bus),
    ]
    return {service.name: await _openapi(service) for service in services}


async def _openapi(service: Service) -> Mapping[str, Any]:
    answer = await service.app.test_client().get("/openapi.json")
    document: Mapping[str, Any] = await answer.get_json()
    await service.close()
    return document
