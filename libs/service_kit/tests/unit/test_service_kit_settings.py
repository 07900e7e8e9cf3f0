"""What the shared settings promise: wrong ones are named at the start, and no secret is ever shown."""

from collections.abc import Mapping

import pytest
from event_contracts import ConfigurationError
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict
from service_kit.settings import ServiceSettings

SECRET = "whsec_" + "A" * 40
COMPLETE = {
    "database_url": "postgresql+asyncpg://cj:hunter2@db/cj",
    "http_port": "8101",
    "callback_signing_secret": SECRET,
    "kafka_bootstrap_servers": "kafka:9092",
}


class Settings(ServiceSettings):
    """A service's settings."""

    model_config = SettingsConfigDict(env_prefix="KIT_TEST_", frozen=True, extra="ignore")


def read(monkeypatch: pytest.MonkeyPatch, changes: Mapping[str, str | None]) -> Settings:
    for name, value in {**COMPLETE, **changes}.items():
        if value is not None:
            monkeypatch.setenv(f"KIT_TEST_{name.upper()}", value)
    return Settings()  # type: ignore[call-arg]  # the environment supplies what has no default


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {"callback_allowed_hosts": '["ras.internal", "*.example.org:8443"]'})

    assert settings.http_port == 8101
    assert settings.callback_allowed_hosts == ("ras.internal", "*.example.org:8443")
    assert settings.callback_signing_secret.get_secret_value() == SECRET


def test_settings_as_text_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {})

    assert "hunter2" not in f"{settings!r} {settings!s}"
    assert SECRET not in f"{settings!r} {settings!s}"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kafka_bootstrap_servers": None}, "event_bus=kafka needs kafka_bootstrap_servers"),
        ({"callback_signing_secret": "hunter2"}, "starts with 'whsec_'"),
        ({"callback_allowed_hosts": '["https://ras.internal/hunter2"]'}, "callback_allowed_hosts"),
        ({"http_port": "hunter2"}, "http_port"),
        ({"event_bus": "hunter2"}, "event_bus"),
        ({"database_url": None}, "database_url"),
        ({"jwt_secret": "hunter2"}, "jwt_secret.*too short: 32 bytes"),
        ({"jwt_secret": ""}, "jwt_secret.*too short: 32 bytes"),
        ({"jwt_jwks_url": "http://hunter2.example.org"}, "jwt_jwks_url must be https"),
        ({"jwt_jwks_url": "https://a.example.org", "jwt_secret": "hunter2" * 5}, "choose one of"),
        ({"jwt_audience": ""}, "jwt_audience"),
    ],
)
def test_a_wrong_setting_is_named_without_any_value(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], named: str
) -> None:
    with pytest.raises((ValidationError, ConfigurationError), match=named) as refused:
        read(monkeypatch, changes)

    assert "hunter2" not in str(refused.value)


def test_no_tokens_are_checked_unless_it_is_said_how(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {})

    assert (settings.jwt_jwks_url, settings.jwt_secret) == (None, None)
    assert (settings.jwt_issuer, settings.jwt_audience) == ("huleedu-identity-service", "huleedu-platform")


def test_the_memory_bus_needs_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {"kafka_bootstrap_servers": None, "event_bus": "memory"})

    assert settings.kafka_bootstrap_servers is None
