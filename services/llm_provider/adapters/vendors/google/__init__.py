"""Google: the Gemini API, live and in batches."""

import httpx2
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from llm_provider.adapters.vendor_api.registration import (
    AccountSettings,
    ConnectedVendor,
    VendorRegistration,
    secret,
)
from llm_provider.adapters.vendors.google.batches import GoogleBatches
from llm_provider.adapters.vendors.google.generate_content import URL, GoogleJudge, google_access


class Settings(AccountSettings):
    """Environment: LLM_PROVIDER_GOOGLE_…"""

    model_config = SettingsConfigDict(env_prefix="LLM_PROVIDER_GOOGLE_")

    api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("LLM_PROVIDER_GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
        description="Key of an account at Google. GEMINI_API_KEY or GOOGLE_API_KEY is read as well.",
    )
    url: str | None = Field(default=None, description="Another address than the vendor's: a proxy.")


def _connect(settings: Settings, client: httpx2.AsyncClient) -> ConnectedVendor | None:
    key, url = secret(settings.api_key), settings.url or URL
    if key is None:
        return None
    access = google_access(key, url)
    return ConnectedVendor(
        judge=GoogleJudge(client, access=access),
        batch=GoogleBatches(client, access=access),
        account=key,
        url=url,
    )


REGISTRATION = VendorRegistration(provider="google", settings=Settings, required="api_key", connect=_connect)
