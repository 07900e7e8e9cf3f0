"""A wrong setting is refused when the service starts, with what would be right."""

import httpx2
import pytest
from event_contracts import ConfigurationError
from llm_provider.adapters.vendors import registrations
from llm_provider.adapters.vendors.openai_compatible import Settings as SelfHosted
from llm_provider.providers import build_service
from llm_provider.settings import Settings
from llm_provider.tests.serving import settings_for
from model_manifest import get_model
from pydantic import ValidationError
from service_kit.messaging.event_bus import MemoryEventBus

URL = "postgresql+asyncpg://nobody@127.0.0.1/nothing"


def test_limits_are_set_by_provider_or_by_model_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_PROVIDER_DATABASE_URL", URL)
    monkeypatch.setenv("LLM_PROVIDER_EVENT_BUS", "memory")
    monkeypatch.setenv("LLM_PROVIDER_CALLBACK_SIGNING_SECRET", "whsec_" + "A" * 44)
    monkeypatch.setenv(
        "LLM_PROVIDER_LIMITS",
        '{"openai": {"requests_per_minute": 500}, "anthropic/claude-haiku-5-5": {"concurrency": 4}}',
    )

    limits = Settings().limits  # type: ignore[call-arg]  # the environment supplies the rest

    assert limits["openai"].requests_per_minute == 500
    assert limits["anthropic/claude-haiku-5-5"].concurrency == 4


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"openai": {"requests_a_minute": 500}}, "Extra inputs"),
        ({"openai": {"requests_per_minute": 0}}, "greater than 0"),
    ],
)
def test_invalid_limits_are_refused(limits: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings_for(URL, limits=limits)


@pytest.mark.parametrize(
    "name",
    [
        "call_timeout",
        "lease_duration",
        "outage_timeout",
        "expires_after",
        "breaker_open_for",
        "batch_poll_interval",
        "batch_collect_for",
    ],
)
def test_a_duration_of_zero_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        settings_for(URL, **{name: 0})


@pytest.mark.parametrize(
    "changes", [{"limits": {"opnai": {"requests_per_minute": 500}}}, {"default_provider": "opnai"}]
)
async def test_a_setting_that_names_an_unknown_provider_is_refused_at_the_start(
    changes: dict[str, object],
) -> None:
    with pytest.raises(ConfigurationError, match="name opnai: start with one of anthropic"):
        await build_service(settings_for(URL, **changes), bus=MemoryEventBus())


def test_settings_of_a_provider_are_found_by_their_names_and_kept_out_of_the_log() -> None:
    settings = settings_for(URL, anthropic_api_key="sk-secret", openai_compatible_url="http://127.0.0.1:1/v1")
    vendors = registrations()

    client = httpx2.AsyncClient(verify=False)
    connected = {
        name: registration.connected(settings.vendor_settings, client)
        for name, registration in vendors.items()
    }

    assert {name for name, vendor in connected.items() if vendor} == {
        "mock",
        "anthropic",
        "openai_compatible",
    }
    assert "sk-secret" not in repr(settings)


@pytest.mark.parametrize("said", ["true", "y", "t", "on", "1", "false", "n", "0"])
def test_the_manifest_and_the_service_agree_on_whether_the_self_hosted_server_is_free(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_PROVIDER_OPENAI_COMPATIBLE_FREE", said)
    monkeypatch.setenv("LLM_PROVIDER_OPENAI_COMPATIBLE_URL", "https://judge.example/v1")

    assert get_model("openai_compatible", "qwen3-8b").free is SelfHosted().free


def test_a_free_setting_that_is_neither_true_nor_false_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_PROVIDER_OPENAI_COMPATIBLE_FREE", "perhaps")

    with pytest.raises(ConfigurationError, match="FREE is 'perhaps': set it to true or false"):
        get_model("openai_compatible", "qwen3-8b")
