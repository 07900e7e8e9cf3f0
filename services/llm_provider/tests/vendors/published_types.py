"""The vendors' own published types as judges of what we send, and of what the fake vendors answer.

They are the SDKs' types with every object closed: a key that the vendor does not know fails, and so does a value of
another type. As published, some of them would let that pass: objects take any further key, lists are checked only
when they are read, and requests may hold the lenient objects of responses.
"""

import copy
import json
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final, Literal

from event_contracts import JsonObject
from pydantic import TypeAdapter
from pydantic_core import SchemaValidator
from typing_extensions import TypedDict

Check = Callable[[JsonObject], None]
"""Raises ``pydantic.ValidationError`` (or, of what Python alone knows, ``AssertionError``)."""


class OpenRouterProvider(TypedDict, total=False):
    """``provider`` as OpenRouter's reference gives it, as far as it is used."""

    require_parameters: bool
    data_collection: Literal["allow", "deny"]


class OpenRouterReasoning(TypedDict, total=False):
    """``reasoning`` as OpenRouter's reference gives it, as far as it is used."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@cache
def sdk() -> ModuleType:
    """The SDKs' types, imported when something is first held to them: every test process loads this module."""
    return import_module("llm_provider.tests.vendors.sdk_types")


def check_anthropic(body: JsonObject) -> None:
    """A request to Messages."""
    _closed_request(sdk().MessageWithTemperature, body)


def check_anthropic_job(body: JsonObject) -> None:
    """A request to Message Batches, the requests in it included."""
    _closed_request(sdk().MessageBatchParams, body)


def check_openai(body: JsonObject) -> None:
    """A request to Responses."""
    _closed_request(sdk().ResponseCreateParamsNonStreaming, body)


def check_openai_job(body: JsonObject) -> None:
    """A request to make a batch."""
    _closed_request(sdk().BatchCreateParams, body)


def check_chat(body: JsonObject) -> None:
    """A request to chat completions."""
    _closed_request(sdk().CompletionCreateParamsNonStreaming, body)


def check_openrouter(body: JsonObject) -> None:
    """A request to chat completions with what OpenRouter adds to them."""
    rest = copy.deepcopy(body)
    _closed_request(OpenRouterProvider, rest.pop("provider"))
    _closed_request(OpenRouterReasoning, rest.pop("reasoning", {}))
    for marker in _cache_markers(rest):
        _closed_request(sdk().CacheControlEphemeralParam, marker)
    check_chat(rest)


def check_google(body: JsonObject) -> None:
    """A request to generateContent; the SDK writes its ``GenerateContentConfig`` out as several keys of it."""
    rest = dict(body)
    contents, system = rest.pop("contents"), rest.pop("systemInstruction", {})
    assert isinstance(contents, list), "a list is expected here"
    config: dict[str, Any] = {**_mapping(rest.pop("generationConfig")), **rest}
    with warnings.catch_warnings():
        # A value that an enumeration does not have is a mere warning to the SDK.
        warnings.simplefilter("error")
        for content in contents:
            sdk().Content.model_validate(content)
        sdk().Content.model_validate(system)
        sdk().GenerateContentConfig.model_validate(config)


REQUESTS: Final[Mapping[str, Check]] = {
    "anthropic": check_anthropic,
    "openai": check_openai,
    "google": check_google,
    "openrouter": check_openrouter,
    "openai_compatible": check_chat,
}
"""What a call to each vendor must be."""


def check_answer(vendor: str, body: JsonObject) -> None:
    """An answer to a call."""
    match vendor:
        case "anthropic":
            _closed_answer(sdk().Message, body)
        case "openai":
            _closed_answer(sdk().Response, body)
        case "google":
            sdk().GenerateContentResponse.model_validate(body)
        case "openrouter":
            # OpenRouter's own additions are in no published Python type.
            usage = {
                key: value for key, value in _mapping(body["usage"]).items() if key not in ("cost", "is_byok")
            }
            _closed_answer(sdk().ChatCompletion, {**body, "usage": usage}, besides=("provider",))
        case _:
            _closed_answer(sdk().ChatCompletion, body)


def check_anthropic_error(body: JsonObject) -> None:
    """An error of Anthropic's."""
    TypeAdapter(sdk().ErrorResponse).validate_python(body)


def check_anthropic_job_view(body: JsonObject) -> None:
    """What Anthropic says of a batch."""
    _closed_answer(sdk().MessageBatch, body)


def check_anthropic_job_line(body: JsonObject) -> None:
    """A line of a batch's results."""
    _closed_answer(sdk().MessageBatchIndividualResponse, body)


def check_openai_job_view(body: JsonObject) -> None:
    """What OpenAI says of a batch."""
    _closed_answer(sdk().Batch, body)


def check_openai_file(body: JsonObject) -> None:
    """What OpenAI says of a file."""
    _closed_answer(sdk().FileObject, body)


def _closed_request(published: Any, body: Any) -> None:
    _validator(published, lenient_objects=False).validate_json(json.dumps([body]), strict=True)


def _closed_answer(published: Any, body: JsonObject, *, besides: tuple[str, ...] = ()) -> None:
    known = {key: value for key, value in body.items() if key not in besides}
    _validator(published, lenient_objects=True).validate_json(json.dumps([known]), strict=True)


@cache
def _validator(published: Any, *, lenient_objects: bool) -> SchemaValidator:
    # A type whose schema is built late has one as soon as it is a part of another.
    schema = TypeAdapter(list[published]).core_schema
    return SchemaValidator(_closed(schema, lenient_objects=lenient_objects))


def _closed(schema: Any, *, lenient_objects: bool) -> Any:
    """A core schema of pydantic's, rewritten: unknown keys are forbidden, lists are read immediately."""
    if isinstance(schema, list | tuple):
        return type(schema)(_closed(part, lenient_objects=lenient_objects) for part in schema)
    if not isinstance(schema, dict):
        return schema
    match schema.get("type"):
        case "model" if not lenient_objects:
            # What only a response holds: no JSON that we send is one.
            kept = {"ref": schema["ref"]} if "ref" in schema else {}
            return {"type": "is-instance", "cls": schema["cls"], **kept}
        case "typed-dict" | "model-fields":
            schema = {**schema, "extra_behavior": "forbid"}
        case "generator":
            schema = {**schema, "type": "list"}
    return {key: _closed(part, lenient_objects=lenient_objects) for key, part in schema.items()}


def _cache_markers(body: dict[str, Any]) -> list[Any]:
    parts = [
        part
        for message in body["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
    ]
    return [part.pop("cache_control") for part in parts if "cache_control" in part]


def _mapping(value: object) -> dict[str, Any]:
    assert isinstance(value, dict), "an object is expected here"
    return value
