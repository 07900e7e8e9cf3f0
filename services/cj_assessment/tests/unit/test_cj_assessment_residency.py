"""Regions are refused at the door: for a batch, an organisation and the installation, each can only narrow them."""

from datetime import timedelta

import pytest
from cj_assessment.adapters.judge_catalogue import ManifestJudges
from cj_assessment.domain.batch import Defaults, request_sha256
from cj_assessment.domain.residency import Residency
from cj_assessment.providers.adapters import AdapterProvider
from cj_assessment.settings import Settings
from cj_assessment.tests.building import request
from cj_assessment.tests.memory.store import MemoryStore
from cj_assessment.tests.serving import SECRET
from cj_assessment.use_cases.accept_request import AcceptRequest
from event_contracts import InvalidRequest, JsonObject, LLMConfigOverrides
from model_manifest import SimulatedPrice
from pydantic import SecretStr
from service_kit.callbacks.policy import CallbackPolicy

ANTHROPIC = LLMConfigOverrides(provider_override="anthropic")
OPENAI = LLMConfigOverrides(provider_override="openai")


def accepting(**settings: object) -> AcceptRequest:
    chosen = Settings.model_validate(
        {
            "database_url": "postgresql+asyncpg://nobody@127.0.0.1:9/none",
            "event_bus": "memory",
            "callback_signing_secret": SecretStr(SECRET),
            "llm_provider_url": "http://127.0.0.1:9",
            "default_provider": "mock",
            **settings,
        }
    )
    return AcceptRequest(
        store=MemoryStore(),
        judges=ManifestJudges(default_provider="mock", default_model=None, simulated_price=SimulatedPrice()),
        callbacks=CallbackPolicy(allowed_hosts=()),
        defaults=Defaults(target_reliability=0.9, deadline=timedelta(hours=1)),
        wake_prepare=lambda: None,
        residency=AdapterProvider(chosen).residency(),
    )


@pytest.mark.parametrize(
    ("settings", "hints"),
    [
        ({}, {"allowed_regions": ["eu"]}),
        ({"allowed_regions": ["eu"]}, None),
        ({"org_allowed_regions": {"school-1": ["eu"]}}, None),
        ({"allowed_regions": ["eu"]}, {"allowed_regions": ["eu", "global"]}),
        ({"allowed_regions": ["us"], "org_allowed_regions": {"school-1": ["eu"]}}, None),
    ],
)
async def test_a_judge_elsewhere_is_refused_and_nothing_is_stored(
    settings: dict[str, object], hints: JsonObject | None
) -> None:
    accept = accepting(**settings)

    with pytest.raises(InvalidRequest, match="eu"):
        await accept(request({"a": "1", "b": "2"}, batch_id="b", overrides=ANTHROPIC, hints=hints))

    async with accept.store.transaction() as transaction:
        assert await transaction.batches.record("b") is None  # type: ignore[arg-type]  # a BatchId


@pytest.mark.parametrize(
    ("settings", "hints", "overrides"),
    [
        ({}, None, ANTHROPIC),
        ({"org_allowed_regions": {"school-2": ["eu"]}}, None, ANTHROPIC),
        ({"allowed_regions": ["eu", "global"]}, None, ANTHROPIC),
        ({"allowed_regions": ["eu"]}, None, None),
        (
            {"allowed_regions": ["eu"], "vendor_regions": {"openai": "eu"}},
            {"allowed_regions": ["eu"]},
            OPENAI,
        ),
    ],
)
async def test_a_judge_in_an_allowed_region_is_accepted(
    settings: dict[str, object], hints: JsonObject | None, overrides: LLMConfigOverrides | None
) -> None:
    batch = await accepting(**settings)(request({"a": "1", "b": "2"}, overrides=overrides, hints=hints))

    assert batch.state == "accepted"


def test_a_batch_is_limited_to_regions_that_all_parties_allow() -> None:
    residency = Residency(
        installation=frozenset({"eu", "us", "se"}), organisations={"school-1": frozenset({"se", "eu"})}
    )

    assert residency.allowed(["eu", "us"], org_id="school-1") == ("eu",)
    assert residency.allowed(None, org_id="school-2") == ("eu", "se", "us")


@pytest.mark.parametrize("regions", [[], ["EU"], ["e" * 40], ["eu"] * 21, "eu", [1]])
def test_invalid_regions_are_refused(regions: object) -> None:
    with pytest.raises(InvalidRequest, match="allowed_regions"):
        request({"a": "1"}, hints={"allowed_regions": regions}).hints()  # type: ignore[dict-item]  # on purpose


def test_a_request_without_regions_keeps_the_identity_that_it_had_before_there_were_any() -> None:
    plain = request({"a": "1", "b": "2"}, batch_id="b")
    narrowed = plain.model_copy(update={"metadata": {"allowed_regions": ["eu"]}})

    assert request_sha256(plain) != request_sha256(narrowed)
    assert "allowed_regions" not in str(plain.metadata)
