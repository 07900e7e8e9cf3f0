"""Where texts go: each endpoint has a region, and one that is not allowed is refused with what to do."""

import pytest
from event_contracts import InvalidRequest
from model_manifest import RegionNotAllowed, check_region, list_providers, region_of


@pytest.mark.parametrize("provider", list_providers())
def test_every_provider_but_a_self_hosted_one_has_a_usual_endpoint(provider: str) -> None:
    assert (region_of(provider) == "unknown") == (provider == "openai_compatible")


@pytest.mark.parametrize(
    ("provider", "url", "region"),
    [
        ("openai", "https://api.openai.com/v1", "global"),
        ("openai", "https://eu.api.openai.com/v1", "eu"),
        ("openai", "https://EU.API.OPENAI.COM:443/v1", "eu"),
        ("openai", "https://eu.api.openai.com.evil.example/v1", "unknown"),
        ("openai", "https://proxy.example/eu.api.openai.com", "unknown"),
        ("openrouter", "https://eu.openrouter.ai/api/v1", "eu"),
        ("anthropic", "https://eu.api.openai.com", "unknown"),
        ("openai_compatible", "http://127.0.0.1:8080/v1", "local"),
        ("openai_compatible", "http://[::1]:8080/v1", "local"),
        ("openai_compatible", "http://localhost/v1", "local"),
        ("openai_compatible", "http://gpu.school.se/v1", "unknown"),
        ("mock", None, "local"),
    ],
)
def test_the_region_follows_from_the_address(provider: str, url: str | None, region: str) -> None:
    assert region_of(provider, url=url) == region


def test_an_installation_knows_its_own_servers_better() -> None:
    assert (
        region_of("openai_compatible", url="http://gpu.school.se/v1", named={"openai_compatible": "eu"})
        == "eu"
    )


def test_another_region_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(RegionNotAllowed, match="'global', and allowed here is eu") as refused:
        check_region("anthropic", region="global", allowed={"eu"})

    assert isinstance(refused.value, InvalidRequest)
    assert refused.value.details == {"provider": "anthropic", "region": "global", "allowed_regions": ["eu"]}


@pytest.mark.parametrize("region", ["unknown", "global", "us"])
def test_what_is_not_known_to_be_allowed_is_not(region: str) -> None:
    with pytest.raises(RegionNotAllowed):
        check_region("openai", region=region, allowed={"eu"})


@pytest.mark.parametrize(("region", "allowed"), [("eu", {"eu"}), ("local", {"eu"}), ("global", None)])
def test_an_allowed_region_is_accepted(region: str, allowed: set[str] | None) -> None:
    check_region("openai", region=region, allowed=allowed)
