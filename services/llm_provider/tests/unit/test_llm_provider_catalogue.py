"""What the manifest says, narrowed to what this installation has and has been told."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from event_contracts import InvalidLlmConfig, LLMConfigOverrides
from llm_provider.adapters.catalogue import ManifestCatalogue
from llm_provider.adapters.vendor_api.registration import ConnectedVendor
from llm_provider.adapters.vendors.simulated import Settings
from llm_provider.domain.calls.errors import ProviderNotConfigured
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import Limits

NOBODY: Any = object()
"""The catalogue never calls a judge."""

NO_BATCHES: Any = object()

LLAMA = LLMConfigOverrides(provider_override="openai_compatible", model_override="llama-3")


def catalogue(**own_limits: Limits) -> ManifestCatalogue:
    return ManifestCatalogue(
        default_provider="mock",
        vendors={
            "mock": ConnectedVendor(
                judge=NOBODY, price=Settings(input_price=Decimal(10), output_price=Decimal(100)).price
            ),
            "anthropic": ConnectedVendor(judge=NOBODY, batch=NO_BATCHES),
            "openai_compatible": ConnectedVendor(judge=NOBODY, structured_output="json_object_with_schema"),
        },
        needs={"google": "set LLM_PROVIDER_GOOGLE_API_KEY"},
        own_limits=own_limits,
    )


@pytest.mark.parametrize(
    ("installation", "allowed"), [(["eu"], None), (None, ["eu"]), (["eu", "global"], ["eu"])]
)
def test_texts_go_only_where_installation_and_caller_both_allow_it(
    installation: list[str] | None, allowed: list[str] | None
) -> None:
    anthropic = ConnectedVendor(judge=NOBODY, url="https://api.anthropic.com")
    openai = ConnectedVendor(judge=NOBODY, url="https://eu.api.openai.com/v1")
    narrowed = ManifestCatalogue(
        default_provider="mock",
        vendors={"anthropic": anthropic, "openai": openai, "mock": ConnectedVendor(judge=NOBODY)},
        needs={},
        own_limits={},
        allowed_regions=installation,
    )

    with pytest.raises(InvalidLlmConfig, match="anthropic judges in region 'global', and allowed here is eu"):
        narrowed.check_region(provider="anthropic", allowed=allowed)
    narrowed.check_region(provider="openai", allowed=allowed)
    narrowed.check_region(provider="mock", allowed=allowed)


def test_a_provider_without_an_account_is_refused_with_what_to_set_and_with_those_that_have_one() -> None:
    with pytest.raises(ProviderNotConfigured) as refused:
        catalogue().resolve(LLMConfigOverrides(provider_override="google"))

    assert refused.value.message == (
        "google has no account here: set LLM_PROVIDER_GOOGLE_API_KEY and restart the LLM Provider,"
        " or use one of anthropic, mock, openai_compatible"
    )
    assert (refused.value.code, refused.value.http_status) == ("LLM_CONFIGURATION_ERROR", 422)
    assert refused.value.details["stops_batch"] is True


def test_a_self_hosted_server_is_held_to_the_form_as_it_can_be() -> None:
    assert catalogue().resolve(LLAMA).structured_output == "json_object_with_schema"
    assert catalogue().resolve(None).structured_output == "json_schema"


def test_own_limits_take_the_place_of_the_manifests_one_by_one() -> None:
    own = catalogue(anthropic=Limits(requests_per_minute=7)).limits(
        provider="anthropic", model="claude-haiku-5-5"
    )
    usual = catalogue().limits(provider="anthropic", model="claude-haiku-5-5")

    assert own.requests_per_minute == 7
    assert own.concurrency == usual.concurrency


def test_limits_of_a_model_go_before_those_of_its_provider() -> None:
    both = {"anthropic": Limits(concurrency=9), "anthropic/claude-haiku-5-5": Limits(concurrency=2)}

    assert catalogue(**both).limits(provider="anthropic", model="claude-haiku-5-5").concurrency == 2
    assert catalogue(**both).limits(provider="anthropic", model="claude-opus-5-5").concurrency == 9


def test_a_batch_api_needs_a_model_that_has_one_and_a_key_for_it() -> None:
    assert catalogue().has_batch_api(provider="anthropic", model="claude-haiku-5-5")
    assert not catalogue().has_batch_api(provider="mock", model="simulated-judge-1")
    assert not catalogue().has_batch_api(provider="openai", model="gpt-6-luna")


def test_the_simulated_judge_costs_what_it_pretends_to_cost() -> None:
    cost = catalogue().cost(
        provider="mock", model="simulated-judge-1", usage=Usage(input=1_000, output=10), at=datetime.now(UTC)
    )

    assert cost.usd == Decimal("0.011")


def test_models_are_those_that_can_be_called_here() -> None:
    assert {provider for provider, _ in catalogue().models()} == {"mock", "anthropic"}
