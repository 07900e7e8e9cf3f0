"""Each judge that has its key, tried with one real comparison of two sentences: a fraction of a cent."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import httpx2
from command_line.finding import Finding, failed, not_checked, passed
from event_contracts import (
    ConfigurationError,
    LLMConfigOverrides,
    LLMProvider,
    PromptBlock,
    PromptTarget,
    ReasoningEffort,
    SuiteError,
    fence_pair,
)
from llm_provider.adapters.catalogue import ManifestCatalogue
from llm_provider.adapters.named_endpoints import connect_endpoint
from llm_provider.adapters.vendor_api.registration import ConnectedVendor
from llm_provider.adapters.vendors import registrations
from llm_provider.domain.requests.prompt import Prompt, digest
from llm_provider.ports import JudgeCall
from llm_provider.use_cases.judging.make_call import verdict_of
from model_manifest import ANY_MODEL, get_model
from model_manifest.manifest import manifest

from suite.doctor.vendors import DEFAULT_MODEL, wanted_model

CALL_SECONDS: Final = 90.0
_WITHOUT_A_CALL: Final = frozenset({LLMProvider.MOCK, LLMProvider.REPLAY})
_GOOD: Final = "The tide had turned before they saw that the boat, which nobody had tied up, was gone."
_WEAK: Final = "it was a boat and it was good and it was a boat"


def judges(settings: Mapping[str, object] | None = None) -> Iterator[Finding]:
    """One finding for each provider that calls a vendor; ``settings`` come before the environment."""
    yield from asyncio.run(_all(settings or {}))


async def _all(settings: Mapping[str, object]) -> list[Finding]:
    async with httpx2.AsyncClient() as client:
        found = [
            await _vendor(name, client, settings) for name in registrations() if name not in _WITHOUT_A_CALL
        ]
        for endpoint in manifest().named:
            what = f"judge {endpoint.name}"
            try:
                connected = connect_endpoint(endpoint, client)
            except ConfigurationError as error:
                found.append(failed(what, error.message))
                continue
            lacking = f"{endpoint.missing()} is not set"
            found.append(await _tried(what, endpoint.name, connected, lacking))
    return found


async def _vendor(name: str, client: httpx2.AsyncClient, settings: Mapping[str, object]) -> Finding:
    registration = registrations()[name]
    what = f"judge {name}"
    try:
        connected = registration.connected(settings, client)
    except ConfigurationError as error:
        return failed(what, error.message)
    return await _tried(what, name, connected, f"{registration.required_variable} is not set")


async def _tried(what: str, provider: str, vendor: ConnectedVendor | None, lacking: str) -> Finding:
    if vendor is None:
        return not_checked(what, lacking)
    model = wanted_model(provider)
    if model == ANY_MODEL:
        return not_checked(what, f"it has whatever model it was started with: set {DEFAULT_MODEL}")
    catalogue = ManifestCatalogue(
        default_provider=provider, vendors={provider: vendor}, needs={}, own_limits={}
    )
    began = datetime.now(UTC)
    try:
        call = _call(catalogue, provider, model)
        async with asyncio.timeout(CALL_SECONDS):
            reply = await vendor.judge.judge(call)
        verdict = verdict_of(reply, call.prompt)
    except TimeoutError:
        return failed(what, f"{model} did not answer within {CALL_SECONDS:g} s")
    except SuiteError as error:
        return failed(what, f"{model}: {error.message}")
    took = (datetime.now(UTC) - began).total_seconds()
    cost = catalogue.cost(provider=provider, model=model, usage=reply.usage, at=began)
    price = "at a price that is not known" if cost.usd is None else f"for ${cost.usd:.6f}"
    margin = "with a margin" if verdict.margin is not None else "without a margin"
    return passed(what, f"{model} preferred {verdict.winner}, {margin}, in {took:.1f} s, {price}")


def _call(catalogue: ManifestCatalogue, provider: str, model: str) -> JudgeCall:
    """Two sentences, with as little reasoning as the model can do with."""
    efforts = get_model(provider, model).reasoning_efforts
    effort = next((effort for effort in ReasoningEffort if effort in efforts), None)
    parameters = catalogue.resolve(
        LLMConfigOverrides(provider_override=provider, model_override=model, reasoning_effort=effort)
    )
    pair = fence_pair(_GOOD, _WEAK)
    prompt = Prompt.of(
        (
            PromptBlock(target=PromptTarget.SYSTEM, content="You compare two texts. Answer in JSON."),
            PromptBlock(target=PromptTarget.USER_CONTENT, content=f"{pair.essay_a}\n\n{pair.essay_b}"),
            PromptBlock(
                target=PromptTarget.USER_CONTENT,
                content="Which text is written better? Answer with a JSON object: winner (Essay A or Essay B), margin"
                " (slightly, clearly or far better), justification (one short sentence), confidence (1 to 5).",
            ),
        )
    )
    return JudgeCall(
        prompt=prompt, prompt_sha256=digest(prompt, parameters), parameters=parameters, sample=0, attempt=1
    )
