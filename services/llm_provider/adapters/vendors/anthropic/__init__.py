"""Anthropic: the Messages API, live and in batches."""

import httpx2
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from llm_provider.adapters.vendor_api.registration import (
    AccountSettings,
    ConnectedVendor,
    VendorRegistration,
    secret,
)
from llm_provider.adapters.vendors.anthropic.batches import AnthropicBatches
from llm_provider.adapters.vendors.anthropic.messages import URL, AnthropicJudge, anthropic_access


class Settings(AccountSettings):
    """Environment: LLM_PROVIDER_ANTHROPIC_…"""

    model_config = SettingsConfigDict(env_prefix="LLM_PROVIDER_ANTHROPIC_")

    api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("LLM_PROVIDER_ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"),
        description="Key of an account at Anthropic. ANTHROPIC_API_KEY is read as well.",
    )
    url: str | None = Field(default=None, description="Another address than the vendor's: a proxy.")


def _connect(settings: Settings, client: httpx2.AsyncClient) -> ConnectedVendor | None:
    key, url = secret(settings.api_key), settings.url or URL
    if key is None:
        return None
    access = anthropic_access(key, url)
    return ConnectedVendor(
        judge=AnthropicJudge(client, access=access),
        batch=AnthropicBatches(client, access=access),
        account=key,
        url=url,
    )


REGISTRATION = VendorRegistration(
    provider="anthropic", settings=Settings, required="api_key", connect=_connect
)
