"""Why judges are not called, as the LLM Provider says: paused, failing, or held back by a rate limit until a time."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

import httpx2
from event_contracts import WireModel
from pydantic import ValidationError
from suite_access import CallerToken

TIMEOUT_SECONDS: Final = 5.0
READY: Final = "ready"
RATE_LIMITED: Final = "rate_limited"


class ModelState(WireModel):
    """A model's limits now; ``held_until`` is when it may be called again."""

    model: str
    held_until: datetime | None = None


class ProviderState(WireModel):
    """A provider, whether it is called, and in words why not."""

    provider: str
    configured: bool
    enabled: bool
    state: str
    message: str
    models: tuple[ModelState, ...] = ()


class Providers(WireModel):
    """GET /api/v1/providers, as far as a run needs it."""

    providers: tuple[ProviderState, ...]


async def why_not_called(llm_url: str, *, providers: Collection[str], role: str) -> str | None:
    """What keeps these providers, or any that is set up, from being called; None where nothing is known to."""
    try:
        async with httpx2.AsyncClient(auth=CallerToken(llm_url, role=role), timeout=TIMEOUT_SECONDS) as http:
            answer = await http.get(f"{llm_url}/api/v1/providers")
        known = Providers.model_validate_json(answer.content).providers if answer.is_success else ()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValidationError):
        return None
    said = [
        _reason(each)
        for each in known
        if each.configured and each.state != READY and (not providers or each.provider in providers)
    ]
    return "; ".join(said) or None


def _reason(provider: ProviderState) -> str:
    held = [model.held_until for model in provider.models if model.held_until is not None]
    if provider.state == RATE_LIMITED and held:
        return f"{provider.provider}: rate limit until {max(held).astimezone():%H:%M}"
    return f"{provider.provider}: {provider.message}"
