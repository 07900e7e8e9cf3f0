"""Named endpoints, connected: each becomes a judge of the dialect that it speaks."""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import httpx2
from model_manifest.endpoints import InstalledEndpoint, with_version, without_version

from llm_provider.adapters.google_token import GoogleToken
from llm_provider.adapters.vendor_api.connection import Access, require_key
from llm_provider.adapters.vendor_api.registration import ConnectedVendor
from llm_provider.adapters.vendors.anthropic.batches import AnthropicBatches
from llm_provider.adapters.vendors.anthropic.messages import VERSION_WITH_TEMPERATURE, AnthropicJudge
from llm_provider.adapters.vendors.google.batches import GoogleBatches
from llm_provider.adapters.vendors.google.generate_content import GoogleJudge
from llm_provider.adapters.vendors.openai.batches import OpenAiBatches
from llm_provider.adapters.vendors.openai.responses import OpenAiJudge
from llm_provider.adapters.vendors.openai_compatible.judge import OpenAiCompatibleJudge
from llm_provider.adapters.vendors.openrouter.judge import OpenRouterJudge
from llm_provider.ports import BatchJudge, Judge

BEARER: Final = "authorization"
_KEY_HEADER: Final[Mapping[str, str]] = {"anthropic": "x-api-key", "google": "x-goog-api-key"}
"""The header that carries a key; elsewhere it is a bearer token."""


def connect_endpoint(endpoint: InstalledEndpoint, client: httpx2.AsyncClient) -> ConnectedVendor | None:
    """Connect with the key and headers of the environment; None where one of them is not set.

    Raises ``ConfigurationError`` for a key that no header can carry, and for Google's tokens where none can be made.
    """
    if endpoint.missing() is not None or endpoint.base_url is None:
        return None
    access = endpoint_access(endpoint)
    return ConnectedVendor(
        judge=_judge(endpoint, access, client),
        batch=_batches(endpoint, access, client),
        account=endpoint.key or f"{endpoint.name} without a key",
        url=endpoint.base_url,
        structured_output="json_object_with_schema" if endpoint.settings.json_object_schema else None,
    )


def endpoint_access(endpoint: InstalledEndpoint) -> Access:
    """Address and headers: the dialect's own, then what the file adds, then the key."""
    settings, url = endpoint.settings, endpoint.base_url or ""
    own_version = settings.kind in ("openai", "anthropic")
    return Access(
        name=endpoint.name,
        base_url=without_version(url) if own_version else with_version(url),
        headers={
            **({"anthropic-version": VERSION_WITH_TEMPERATURE} if _is_anthropic_elsewhere(endpoint) else {}),
            **settings.headers,
            **{header: os.environ[name] for header, name in settings.header_variables.items()},
            **_key_headers(endpoint),
        },
        token=_token(endpoint),
        own_fields=endpoint.is_the_vendors,
    )


def _is_anthropic_elsewhere(endpoint: InstalledEndpoint) -> bool:
    """Azure and Bedrock speak the Messages API in its first version."""
    return endpoint.settings.kind == "anthropic" and not endpoint.is_the_vendors


def _key_headers(endpoint: InstalledEndpoint) -> dict[str, str]:
    if endpoint.key is None or endpoint.settings.token is not None:
        return {}
    key = require_key(endpoint.name, endpoint.key)
    header = endpoint.settings.key_header or _KEY_HEADER.get(endpoint.settings.kind, BEARER)
    return {header: f"Bearer {key}" if header == BEARER else key}


def _token(endpoint: InstalledEndpoint) -> Callable[[], Awaitable[str]] | None:
    return GoogleToken(endpoint=endpoint.name) if endpoint.settings.token == "google" else None


def _judge(endpoint: InstalledEndpoint, access: Access, client: httpx2.AsyncClient) -> Judge:
    match endpoint.settings.kind:
        case "openai":
            return OpenAiJudge(client, access=access)
        case "anthropic":
            return AnthropicJudge(client, access=access)
        case "google":
            return GoogleJudge(client, access=access)
        case "openrouter":
            return OpenRouterJudge(client, access=access)
        case "openai_chat":
            return OpenAiCompatibleJudge(client, access=access, tokens_field=endpoint.settings.tokens_field)


def _batches(endpoint: InstalledEndpoint, access: Access, client: httpx2.AsyncClient) -> BatchJudge | None:
    if not any(model.batch_api for model in endpoint.models):
        return None
    match endpoint.settings.kind:
        case "openai":
            return OpenAiBatches(client, access=access)
        case "anthropic":
            return AnthropicBatches(client, access=access)
        case "google":
            return GoogleBatches(client, access=access)
        case _:
            return None
