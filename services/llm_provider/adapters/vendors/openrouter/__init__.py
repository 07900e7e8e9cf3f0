"""OpenRouter: chat completions of the models of many vendors."""

import httpx2
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from llm_provider.adapters.vendor_api.registration import (
    AccountSettings,
    ConnectedVendor,
    VendorRegistration,
    secret,
)
from llm_provider.adapters.vendors.openrouter.judge import URL, OpenRouterJudge, openrouter_access


class Settings(AccountSettings):
    """Environment: LLM_PROVIDER_OPENROUTER_…"""

    model_config = SettingsConfigDict(env_prefix="LLM_PROVIDER_OPENROUTER_")

    api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("LLM_PROVIDER_OPENROUTER_API_KEY", "OPENROUTER_API_KEY"),
        description="Key of an account at OpenRouter. OPENROUTER_API_KEY is read as well.",
    )
    url: str | None = Field(default=None, description="Another address than the vendor's: a proxy.")


def _connect(settings: Settings, client: httpx2.AsyncClient) -> ConnectedVendor | None:
    key, url = secret(settings.api_key), settings.url or URL
    if key is None:
        return None
    return ConnectedVendor(
        judge=OpenRouterJudge(client, access=openrouter_access(key, url)),
        account=key,
        url=url,
    )


REGISTRATION = VendorRegistration(
    provider="openrouter", settings=Settings, required="api_key", connect=_connect
)
