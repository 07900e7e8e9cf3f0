"""The service's HTTP routes for administrators: pause a provider and resume it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from event_contracts import ErrorBody, Text, WireModel
from pydantic import Field
from quart import Blueprint
from quart_schema import document_response
from service_kit.http.bodies import answers, takes
from service_kit.http.permissions import Permission, caller, requires

from llm_provider.adapters.http_operations import ProviderView, provider_view
from llm_provider.domain.costs.spending import ProviderStatus


class ProviderSwitch(Protocol):
    """The operator's switch for each provider; raises ``NotFound`` for an unknown provider."""

    async def pause(self, provider: str, *, by: str, reason: str) -> None:
        """Stop calling a provider until further notice."""
        ...

    async def resume(self, provider: str, *, by: str) -> None:
        """Call it again."""
        ...


@dataclass(frozen=True, kw_only=True)
class AdminActions:
    """What the routes call."""

    switch: ProviderSwitch
    providers: Callable[[], Awaitable[Sequence[ProviderStatus]]]


class PauseRequest(WireModel):
    """Why a provider is paused; its status shows the reason."""

    reason: Annotated[Text, Field(min_length=1, max_length=500)]


def admin_api(actions: AdminActions) -> Blueprint:
    """The routes, for operators."""
    blueprint = Blueprint("admin", __name__, url_prefix="/admin/v1")

    @blueprint.post("/providers/<provider>/pause")
    @takes(PauseRequest)
    @answers(ProviderView)
    @document_response(ErrorBody, 404)
    @document_response(ErrorBody, 503)
    @requires(Permission.OPERATE)
    async def pause(provider: str, data: PauseRequest) -> ProviderView:
        """Stop calling this provider until it is resumed; its requests wait, and expire as usual."""
        await actions.switch.pause(provider, by=caller().subject, reason=data.reason)
        return await view(provider)

    @blueprint.post("/providers/<provider>/resume")
    @answers(ProviderView)
    @document_response(ErrorBody, 404)
    @document_response(ErrorBody, 503)
    @requires(Permission.OPERATE)
    async def resume(provider: str) -> ProviderView:
        """Call this provider again; nothing changes for one that is not paused."""
        await actions.switch.resume(provider, by=caller().subject)
        return await view(provider)

    async def view(provider: str) -> ProviderView:
        (found,) = [status for status in await actions.providers() if status.provider == provider]
        return provider_view(found)

    return blueprint
