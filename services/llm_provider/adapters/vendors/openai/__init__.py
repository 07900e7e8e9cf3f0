"""OpenAI: the Responses API, live and in batches."""

import httpx2
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from llm_provider.adapters.vendor_api.registration import (
    AccountSettings,
    ConnectedVendor,
    VendorRegistration,
    secret,
)
from llm_provider.adapters.vendors.openai.batches import OpenAiBatches
from llm_provider.adapters.vendors.openai.responses import URL, OpenAiJudge, openai_access


class Settings(AccountSettings):
    """Environment: LLM_PROVIDER_OPENAI_…"""

    model_config = SettingsConfigDict(env_prefix="LLM_PROVIDER_OPENAI_")

    api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("LLM_PROVIDER_OPENAI_API_KEY", "OPENAI_API_KEY"),
        description="Key of an account at OpenAI. OPENAI_API_KEY is read as well.",
    )
    url: str | None = Field(default=None, description="Another address than the vendor's: a proxy.")


def _connect(settings: Settings, client: httpx2.AsyncClient) -> ConnectedVendor | None:
    key, url = secret(settings.api_key), settings.url or URL
    if key is None:
        return None
    access = openai_access(key, url)
    return ConnectedVendor(
        judge=OpenAiJudge(client, access=access),
        batch=OpenAiBatches(client, access=access),
        account=key,
        url=url,
    )


REGISTRATION = VendorRegistration(provider="openai", settings=Settings, required="api_key", connect=_connect)
