"""The replaying judge: it answers with decisions that people made."""

from pathlib import Path

import httpx2
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from llm_provider.adapters.vendor_api.registration import (
    ConnectedVendor,
    VendorRegistration,
    VendorSettings,
)
from llm_provider.adapters.vendors.replay.judge import ReplayJudge, read_decisions


class Settings(VendorSettings):
    """Environment: LLM_PROVIDER_REPLAY_…"""

    model_config = SettingsConfigDict(env_prefix="LLM_PROVIDER_REPLAY_")

    file: Path | None = Field(default=None, description="Recorded decisions for the replaying judge.")


def _connect(settings: Settings, _: httpx2.AsyncClient) -> ConnectedVendor | None:
    if settings.file is None:
        return None
    return ConnectedVendor(judge=ReplayJudge(read_decisions(settings.file)))


REGISTRATION = VendorRegistration(provider="replay", settings=Settings, required="file", connect=_connect)
