"""What each vendor is sent: every override where the vendor reads it, and nothing that the vendor does not know."""

import copy
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from event_contracts import JsonObject, LLMConfigOverrides
from llm_provider.adapters.vendor_api.answer_schema import PORTABLE_SCHEMA
from llm_provider.domain.calls.errors import RequestRejected
from llm_provider.domain.requests.prompt import JudgeParameters, Prompt
from llm_provider.tests.vendors.bodies import NOWHERE, KeyPath, at, texts
from llm_provider.tests.vendors.calling import ESSAYS, PROMPT, SYSTEM, TASK, VENDORS, asking, call, sent_to
from llm_provider.tests.vendors.published_types import REQUESTS
from model_manifest import list_models, validate_llm_overrides
from pydantic import JsonValue, ValidationError

SCHEMAS: Final = frozenset({"schema", "input_schema", "responseJsonSchema"})


ANY_MODELS_NAME: Final = {"openai_compatible": "llama-3", "openrouter": "mistralai/mistral-large-2512"}


@dataclass(frozen=True)
class Override:
    """An override, and where its vendor reads it."""

    vendor: str
    parameter: str
    value: object
    place: KeyPath
    sent: object

    def __str__(self) -> str:
        return f"{self.vendor}-{self.parameter}={self.value}"


def overrides() -> Iterator[Override]:
    """Every override of every vendor that has a place for it."""
    efforts: dict[str, KeyPath] = {
        "anthropic": ("output_config", "effort"),
        "openai": ("reasoning", "effort"),
        "google": ("generationConfig", "thinkingConfig", "thinkingLevel"),
        "openrouter": ("reasoning", "effort"),
        "openai_compatible": ("reasoning_effort",),
    }
    lengths: dict[str, KeyPath] = {
        "openai": ("max_output_tokens",),
        "google": ("generationConfig", "maxOutputTokens"),
    }
    for vendor in VENDORS:
        yield Override(vendor, "max_tokens", 77, lengths.get(vendor, ("max_tokens",)), 77)
        heat: KeyPath = ("generationConfig", "temperature") if vendor == "google" else ("temperature",)
        for value in (0.0, 0.7, 2.0):
            yield Override(vendor, "temperature", value, heat, value)
        for effort in ("low", "medium", "high"):
            sent = effort.upper() if vendor == "google" else effort
            yield Override(vendor, "reasoning_effort", effort, efforts[vendor], sent)
    yield Override("anthropic", "reasoning_effort", "none", ("thinking", "type"), "disabled")
    yield Override(
        "google", "reasoning_effort", "none", ("generationConfig", "thinkingConfig", "thinkingBudget"), 0
    )
    for vendor in ("openai", "openrouter", "openai_compatible"):
        yield Override(vendor, "reasoning_effort", "none", efforts[vendor], "none")
    for verbosity in ("low", "medium", "high"):
        yield Override("openai", "output_verbosity", verbosity, ("text", "verbosity"), verbosity)
        yield Override("openrouter", "output_verbosity", verbosity, ("verbosity",), verbosity)


OVERRIDES: Final = tuple(overrides())


def without(body: JsonObject, place: KeyPath) -> JsonObject:
    """The body without what is there, nor the objects that held nothing else."""
    rest = copy.deepcopy(body)
    for depth in range(len(place), 0, -1):
        holder, last = at(rest, place[: depth - 1]), place[depth - 1]
        if isinstance(holder, dict) and (depth == len(place) or holder.get(last) == {}):
            holder.pop(last, None)
    return rest


@pytest.mark.parametrize("override", OVERRIDES, ids=str)
async def test_an_override_reaches_the_place_where_its_vendor_reads_it_and_changes_nothing_else(
    override: Override,
) -> None:
    changes: dict[str, Any] = {override.parameter: override.value}
    async with asking(override.vendor) as asked:
        await asked.judge.judge(call(override.vendor))
        plain = asked.sent

        await asked.judge.judge(call(override.vendor, **changes))
        body = asked.sent

    REQUESTS[override.vendor](body)
    assert at(body, override.place) == override.sent
    assert without(body, override.place) == without(plain, override.place)


@pytest.mark.parametrize(
    ("vendor", "place"),
    [
        ("anthropic", ("system", 0, "text")),
        ("openai", ("input", 0, "content", 0, "text")),
        ("google", ("systemInstruction", "parts", 0, "text")),
        ("openrouter", ("messages", 0, "content")),
        ("openai_compatible", ("messages", 0, "content")),
    ],
)
async def test_a_system_prompt_override_is_what_the_system_says(vendor: str, place: KeyPath) -> None:
    prompt = Prompt.of((SYSTEM, TASK, ESSAYS), system_override="Döm strängt.")

    body = await sent_to(vendor, prompt=prompt)

    assert at(body, place) == "Döm strängt."
    assert SYSTEM.content not in str(body)
    REQUESTS[vendor](body)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_prompt_without_system_text_sends_no_empty_system(vendor: str) -> None:
    body = await sent_to(vendor, prompt=Prompt.of((TASK, ESSAYS)))

    assert '""' not in str(body).replace("'", '"')
    REQUESTS[vendor](body)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_what_the_user_says_arrives_whole_and_in_order(vendor: str) -> None:
    body = await sent_to(vendor, cache_breakpoints=True)

    assert PROMPT.user in "".join(texts(body))


def objects(value: JsonValue, place: KeyPath = ()) -> Iterator[KeyPath]:
    """Where the objects are that a vendor reads, without those of the answer's schema."""
    if isinstance(value, dict):
        yield place
        for name, part in value.items():
            if name not in SCHEMAS:
                yield from objects(part, (*place, name))
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from objects(part, (*place, index))


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_key_that_the_vendor_does_not_know_would_be_found_wherever_it_stood(vendor: str) -> None:
    changes: dict[str, Any] = {"temperature": 0.5, "reasoning_effort": "low", "cache_breakpoints": True}
    body = await sent_to(vendor, **changes)
    places = list(objects(body))

    for place in places:
        wrong = copy.deepcopy(body)
        holder = at(wrong, place)
        assert isinstance(holder, dict)
        holder["no_such_key"] = 1
        with pytest.raises(ValidationError):
            REQUESTS[vendor](wrong)

    assert len(places) >= 5


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_value_of_another_type_would_be_found(vendor: str) -> None:
    body = await sent_to(vendor, temperature=0.0)
    heat: KeyPath = ("generationConfig",) if vendor == "google" else ()
    holder = at(body, heat)
    assert isinstance(holder, dict)

    holder["temperature"] = "cold"

    with pytest.raises(ValidationError):
        REQUESTS[vendor](body)


@pytest.mark.parametrize(
    ("vendor", "place", "schema"),
    [
        ("anthropic", ("output_config", "format"), ("schema",)),
        ("openai", ("text", "format"), ("schema",)),
        ("google", ("generationConfig",), ("responseJsonSchema",)),
        ("openrouter", ("response_format", "json_schema"), ("schema",)),
    ],
)
async def test_vendors_hold_the_answer_to_the_schema_that_all_of_them_enforce(
    vendor: str, place: KeyPath, schema: KeyPath
) -> None:
    body = await sent_to(vendor)

    assert at(body, (*place, *schema)) == PORTABLE_SCHEMA


@pytest.mark.parametrize("vendor", ["openai", "openrouter", "openai_compatible"])
async def test_the_schema_is_strict_where_it_could_be_otherwise(vendor: str) -> None:
    body = await sent_to(vendor)

    place: KeyPath = ("text", "format") if vendor == "openai" else ("response_format", "json_schema")
    assert at(body, (*place, "strict")) is True


async def test_a_model_that_answers_through_a_tool_must_use_it() -> None:
    body = await sent_to("anthropic", structured_output="tool", temperature=0.0)

    assert at(body, ("tools", 0, "strict")) is True
    assert at(body, ("tools", 0, "input_schema")) == PORTABLE_SCHEMA
    assert at(body, ("tool_choice",)) == {
        "type": "tool",
        "name": at(body, ("tools", 0, "name")),
        "disable_parallel_tool_use": True,
    }
    REQUESTS["anthropic"](body)


@pytest.mark.parametrize(
    ("vendor", "mode"),
    [
        (vendor, mode)
        for vendor in ("openai", "google", "openrouter", "openai_compatible")
        for mode in ("json_object", "prompt")
    ]
    + [("anthropic", "prompt")],
)
async def test_models_that_know_no_schema_are_sent_none(vendor: str, mode: str) -> None:
    body = await sent_to(vendor, structured_output=mode)

    assert "confidence" not in str(body)
    REQUESTS[vendor](body)


@pytest.mark.parametrize(
    ("vendor", "changes", "advice"),
    [
        ("anthropic", {"output_verbosity": "low"}, "takes no output_verbosity"),
        ("google", {"output_verbosity": "low"}, "takes no output_verbosity"),
        ("openai_compatible", {"output_verbosity": "low"}, "takes no output_verbosity"),
        ("anthropic", {"structured_output": "json_object"}, "use one of json_schema, tool, prompt"),
        ("openai", {"structured_output": "tool"}, "use one of json_schema, json_object, prompt"),
        ("google", {"structured_output": "tool"}, "use one of json_schema, json_object, prompt"),
        ("openrouter", {"structured_output": "tool"}, "use one of json_schema, json_object, prompt"),
    ],
)
async def test_a_parameter_that_a_vendor_has_no_place_for_is_refused_and_nothing_is_sent(
    vendor: str, changes: dict[str, Any], advice: str
) -> None:
    async with asking(vendor) as asked:
        with pytest.raises(RequestRejected, match=advice):
            await asked.judge.judge(call(vendor, **changes))

        assert not asked.vendors.received


@pytest.mark.parametrize(
    ("no_reasoning", "thinking"),
    [
        ("thinking_disabled", {"type": "disabled"}),
        ("thinking_between_tools", {"type": "between_tools"}),
        ("left_out", NOWHERE),
    ],
)
async def test_each_model_of_anthropics_is_told_in_its_own_way_not_to_think(
    no_reasoning: str, thinking: object
) -> None:
    body = await sent_to("anthropic", reasoning_effort="none", no_reasoning=no_reasoning)

    assert at(body, ("thinking",)) == thinking
    REQUESTS["anthropic"](body)


@pytest.mark.parametrize(
    ("changes", "version"), [({}, "2026-10-21"), ({"temperature": 0.0}, "2023-06-01")], ids=["plain", "warm"]
)
async def test_anthropics_last_version_with_a_temperature_is_named_only_where_there_is_one(
    changes: dict[str, Any], version: str
) -> None:
    async with asking("anthropic") as asked:
        await asked.judge.judge(call("anthropic", **changes))

        assert asked.vendors.received[-1].headers["anthropic-version"] == version


async def test_openai_stores_nothing() -> None:
    assert (await sent_to("openai"))["store"] is False


async def test_google_logs_nothing() -> None:
    assert (await sent_to("google"))["store"] is False


async def test_openrouter_asks_only_those_who_take_every_parameter_and_collect_nothing() -> None:
    body = await sent_to("openrouter")

    assert body["provider"] == {"require_parameters": True, "data_collection": "deny"}


def resolved() -> Iterator[tuple[str, JudgeParameters]]:
    """Every model that may judge, with each value that it takes of each override."""
    for vendor in VENDORS:
        for model in list_models(provider=vendor):
            asked = [LLMConfigOverrides(max_tokens_override=50)]
            effort = "none" if model.temperature_needs_no_reasoning else None
            asked += [
                LLMConfigOverrides.model_validate({"temperature_override": heat, "reasoning_effort": effort})
                for heat in model.temperature or ()
            ]
            asked += [LLMConfigOverrides(reasoning_effort=effort) for effort in model.reasoning_efforts]
            asked += [LLMConfigOverrides(output_verbosity=verbosity) for verbosity in model.verbosities]
            name = ANY_MODELS_NAME[vendor] if model.id == "*" else model.id
            for overrides_ in asked:
                chosen = validate_llm_overrides(
                    overrides_.model_copy(update={"provider_override": vendor, "model_override": name}),
                    default_provider=vendor,
                )
                yield (
                    vendor,
                    JudgeParameters(
                        provider=vendor,
                        model=chosen.model,
                        temperature=chosen.temperature,
                        max_tokens=chosen.max_tokens,
                        reasoning_effort=chosen.reasoning_effort,
                        output_verbosity=chosen.output_verbosity,
                        structured_output=chosen.structured_output,
                    ),
                )


async def test_every_model_of_the_manifest_is_sent_what_its_vendors_type_accepts() -> None:
    requests = list(resolved())

    for vendor in VENDORS:
        async with asking(vendor) as asked:
            for parameters in (found for owner, found in requests if owner == vendor):
                await asked.judge.judge(call(vendor, **as_changes(parameters)))
                REQUESTS[vendor](asked.sent)

    assert len(requests) > 50


def as_changes(parameters: JudgeParameters) -> dict[str, Any]:
    changes = dataclasses.asdict(parameters)
    del changes["provider"]
    return changes
