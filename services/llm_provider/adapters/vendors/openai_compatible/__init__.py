"""Any server that speaks OpenAI's chat completions protocol: a self-hosted model."""

from typing import Literal

import httpx2
from model_manifest.provider_name import is_this_machine
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from llm_provider.adapters.vendor_api.registration import (
    ConnectedVendor,
    VendorRegistration,
    VendorSettings,
    secret,
)
from llm_provider.adapters.vendors.openai_compatible.judge import (
    OpenAiCompatibleJudge,
    TokensField,
    server_access,
)


class Settings(VendorSettings):
    """Environment: LLM_PROVIDER_OPENAI_COMPATIBLE_…"""

    model_config = SettingsConfigDict(env_prefix="LLM_PROVIDER_OPENAI_COMPATIBLE_")

    url: str | None = Field(
        default=None, description="Base URL of a self-hosted server, with or without /v1."
    )
    key: SecretStr | None = Field(default=None, description="Its key, if it wants one.")
    output: Literal["json_schema", "json_object_with_schema", "json_object", "prompt"] = Field(
        default="json_schema",
        description="How it is held to the answer's form; llama-cpp-python wants json_object_with_schema.",
    )
    token_probabilities: bool = Field(
        default=False, description="Whether it gives the probabilities of tokens: vLLM, llama.cpp, Ollama do."
    )
    free: bool | None = Field(
        default=None,
        description="Whether its calls are free of charge; without it, only a server on this machine is free, and"
        " what another one costs is unknown.",
    )
    tokens_field: TokensField = Field(
        default="max_tokens",
        description="The field that limits an answer's length: some servers take max_completion_tokens only.",
    )


def _connect(settings: Settings, client: httpx2.AsyncClient) -> ConnectedVendor | None:
    if not settings.url:
        return None
    key = secret(settings.key)
    return ConnectedVendor(
        judge=OpenAiCompatibleJudge(
            client,
            access=server_access(settings.url, key=key),
            tokens_field=settings.tokens_field,
            token_probabilities=settings.token_probabilities,
        ),
        account=key,
        url=settings.url,
        structured_output=settings.output,
        is_free=is_this_machine(settings.url) if settings.free is None else settings.free,
        token_probabilities=settings.token_probabilities,
    )


REGISTRATION = VendorRegistration(
    provider="openai_compatible",
    settings=Settings,
    required="url",
    connect=_connect,
)
