"""The service's HTTP routes for administrators: pause and resume a provider."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from event_contracts import ErrorBody, WireModel
from pydantic import StringConstraints
from quart import Blueprint, g, request
from quart_schema import document_response, validate_request, validate_response

from llm_provider.adapters.http_operations import ProviderView, provider_view
from llm_provider.domain.costs.spending import ProviderStatus
from llm_provider.ports import AdminGate, ProviderSwitch


@dataclass(frozen=True, kw_only=True)
class AdminActions:
    """What the routes call, and who admits administrators."""

    gate: AdminGate
    switch: ProviderSwitch
    providers: Callable[[], Awaitable[Sequence[ProviderStatus]]]


class PauseOrder(WireModel):
    """Why a provider is paused; shown wherever its state is."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]


def admin_api(actions: AdminActions) -> Blueprint:
    """The switch of each provider; each request must show an administrator's bearer token."""
    blueprint = Blueprint("admin", __name__, url_prefix="/admin/v1")

    @blueprint.before_request
    async def admit() -> None:
        g.administrator = await actions.gate.admit(request.headers.get("Authorization"))

    @blueprint.post("/providers/<provider>/pause")
    @validate_request(PauseOrder)
    @validate_response(ProviderView)
    @document_response(ErrorBody, 401)
    @document_response(ErrorBody, 403)
    @document_response(ErrorBody, 404)
    @document_response(ErrorBody, 503)
    async def pause(provider: str, data: PauseOrder) -> ProviderView:
        """Stop calling this provider until it is resumed; its requests wait, and expire in time."""
        await actions.switch.pause(provider, by=g.administrator, reason=data.reason)
        return await view(provider)

    @blueprint.post("/providers/<provider>/resume")
    @validate_response(ProviderView)
    @document_response(ErrorBody, 401)
    @document_response(ErrorBody, 403)
    @document_response(ErrorBody, 404)
    @document_response(ErrorBody, 503)
    async def resume(provider: str) -> ProviderView:
        """Call this provider again; one that is not paused stays as it is."""
        await actions.switch.resume(provider, by=g.administrator)
        return await view(provider)

    async def view(provider: str) -> ProviderView:
        (found,) = [status for status in await actions.providers() if status.provider == provider]
        return provider_view(found)

    return blueprint
