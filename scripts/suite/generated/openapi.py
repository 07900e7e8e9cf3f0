"""What each service says of itself: its OpenAPI document and its metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import batch_conductor.assembly
import batch_conductor.settings
import cj_assessment.assembly
import cj_assessment.settings
import llm_provider.assembly
import llm_provider.settings
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.running import Service

_SECRET: Final = SecretStr("whsec_" + "A" * 40)
_DATABASE: Final = "postgresql+asyncpg://postgres@127.0.0.1/none"


@dataclass(frozen=True, kw_only=True)
class DescribedService:
    """A service with its OpenAPI document and the registry of its metrics."""

    name: str
    openapi: Mapping[str, Any]
    metrics: CollectorRegistry


async def described_services() -> list[DescribedService]:
    """The three services, assembled without a database or a broker."""
    bus = MemoryEventBus()
    common: dict[str, Any] = {
        "database_url": _DATABASE,
        "event_bus": "memory",
        "callback_signing_secret": _SECRET,
        "jwt_secret": _SECRET,
        "service_secret": _SECRET,
    }
    assessment = cj_assessment.settings.Settings(
        **common, llm_provider_url="http://127.0.0.1:8102", default_provider="mock"
    )
    provider = llm_provider.settings.Settings(**common)
    services = [
        await batch_conductor.assembly.assemble(batch_conductor.settings.Settings(**common), bus=bus),
        await llm_provider.assembly.assemble(provider, bus=bus),
        await cj_assessment.assembly.assemble(assessment, bus=bus),
    ]
    return [await _described(service) for service in services]


async def _described(service: Service) -> DescribedService:
    answer = await service.app.test_client().get("/openapi.json")
    document: Mapping[str, Any] = await answer.get_json()
    await service.close()
    return DescribedService(name=service.name, openapi=document, metrics=service.metrics.registry)
