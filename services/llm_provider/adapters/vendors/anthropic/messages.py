"""Anthropic: the Messages API.

Request and answer as https://platform.claude.com/docs/en/api/messages gives them. The version of 2026-10-21 takes
no temperature; a model that still has one is called with the version before it.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Self

import httpx2
from event_contracts import JsonObject
from pydantic import BaseModel, JsonValue, model_validator

from llm_provider.adapters.vendor_api.answer_schema import PORTABLE_SCHEMA
from llm_provider.adapters.vendor_api.connection import Access, Connection, require_key
from llm_provider.adapters.vendor_api.failures import ErrorObject, error_in_success
from llm_provider.adapters.vendor_api.limit_headers import anthropic_limits
from llm_provider.adapters.vendor_api.sections import Section, sections
from llm_provider.adapters.vendor_api.unsupported import refuse_verbosity, unsupported_output_mode
from llm_provider.adapters.vendor_api.wire_types import CallId, Lenient, Tokens, counted
from llm_provider.domain.costs.usage import UNKNOWN_USAGE, Usage
from llm_provider.domain.requests.prompt import JudgeParameters
from llm_provider.ports import Ending, JudgeCall, JudgeReply

VENDOR: Final = "Anthropic"
URL: Final = "https://api.anthropic.com"
VERSION: Final = "2026-10-21"
VERSION_WITH_TEMPERATURE: Final = "2023-06-01"

_TOOL: Final = "record_comparison"
_ENDINGS: Final = {
    "end_turn": Ending.COMPLETE,
    "stop_sequence": Ending.COMPLETE,
    "tool_use": Ending.COMPLETE,
    "max_tokens": Ending.CUT_OFF,
    "model_context_window_exceeded": Ending.CUT_OFF,
    "pause_turn": Ending.CUT_OFF,
    "refusal": Ending.REFUSAL,
}
"""Unknown finish reasons are treated as incomplete."""


class _Block(BaseModel):
    type: Lenient[str] = None
    text: Lenient[str] = None
    input: JsonValue = None


class _CacheCreation(BaseModel):
    ephemeral_1h_input_tokens: Tokens = None


class _OutputDetails(BaseModel):
    thinking_tokens: Tokens = None


class _Usage(BaseModel):
    input_tokens: Tokens = None
    output_tokens: Tokens = None
    cache_read_input_tokens: Tokens = None
    cache_creation_input_tokens: Tokens = None
    cache_creation: Lenient[_CacheCreation] = None
    output_tokens_details: Lenient[_OutputDetails] = None


class Message(BaseModel):
    """What a model answers, live or in a batch job."""

    model: CallId = None
    content: str | list[_Block] | None = None
    stop_reason: Lenient[str] = None
    usage: Lenient[_Usage] = None
    error: ErrorObject | str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.error is None and (
            self.content is None or (isinstance(self.content, str) and not self.stop_reason)
        ):
            raise ValueError("has neither content with a stop reason nor an error")
        return self

    def reply(self) -> JudgeReply:
        """The reply that this message is; raises ``JudgeError`` for an error that comes with a status of success."""
        if self.error is not None:
            raise error_in_success(VENDOR, self.error)
        return JudgeReply(
            text=_text(self.content),
            model=self.model or "",
            usage=_read_usage(self.usage),
            ending=_ENDINGS.get(self.stop_reason or "", Ending.BROKEN_OFF),
        )


class AnthropicJudge:
    """A model of Anthropic's, one call at a time."""

    def __init__(self, client: httpx2.AsyncClient, *, access: Access) -> None:
        self._connection = anthropic_connection(client, access)
        self._access = access

    async def judge(self, call: JudgeCall) -> JudgeReply:
        version = version_for([call.parameters], access=self._access)
        answer = await self._connection.post("/v1/messages", message_body(call), headers=version)
        message = self._connection.parse(answer.content, Message)
        return replace(
            message.reply(),
            limits=self._connection.limits(answer),
            vendor_request_id=answer.headers.get("request-id"),
        )


def anthropic_access(key: str, url: str = URL) -> Access:
    """An account at Anthropic; raises ``ConfigurationError`` for a key that no header can carry."""
    return Access(name=VENDOR, base_url=url, headers={"x-api-key": require_key(VENDOR, key)}, own_fields=True)


def anthropic_connection(
    client: httpx2.AsyncClient, access: Access, *, read_timeout: float | None = None
) -> Connection:
    """The connection that calls and batch jobs have in common."""
    return Connection(
        vendor=access.name,
        client=client,
        base_url=access.base_url,
        headers={"anthropic-version": VERSION, **access.headers},
        read_timeout=read_timeout,
        read_limits=anthropic_limits,
        token=access.token,
    )


def version_for(calls: Iterable[JudgeParameters], *, access: Access) -> dict[str, str]:
    """The header that names the version which takes all of these calls, unless the endpoint has one of its own."""
    if "anthropic-version" in access.headers:
        return {}
    uses_temperature = any(parameters.temperature is not None for parameters in calls)
    return {"anthropic-version": VERSION_WITH_TEMPERATURE if uses_temperature else VERSION}


def message_body(call: JudgeCall) -> JsonObject:
    """The body of a Messages request; raises ``RequestRejected`` for a parameter that it does not support."""
    parameters = call.parameters
    refuse_verbosity(VENDOR, parameters)
    prompt = sections(call.prompt)
    body: JsonObject = {
        "model": parameters.model,
        "max_tokens": parameters.max_tokens,
        "messages": [{"role": "user", "content": _blocks(prompt.user)}],
    }
    if prompt.system.text:
        body["system"] = _blocks(prompt.system)
    if parameters.temperature is not None:
        body["temperature"] = parameters.temperature
    return {**body, **_thinking(parameters), **_output(parameters)}


def _blocks(section: Section) -> list[JsonValue]:
    """Text blocks, with a cache breakpoint where the shared part ends: two at most in a request that may have four."""
    blocks: list[JsonValue] = []
    if section.shared:
        cache: JsonObject = {"type": "ephemeral", "ttl": section.ttl}
        blocks.append({"type": "text", "text": section.shared, "cache_control": cache})
    if section.own:
        blocks.append({"type": "text", "text": section.own})
    return blocks


def _thinking(parameters: JudgeParameters) -> JsonObject:
    """Models choose how much to think unless they are told; each generation has its own way to turn thinking off."""
    if parameters.reasoning_effort != "none" or parameters.no_reasoning == "left_out":
        return {}
    between_tools = parameters.no_reasoning == "thinking_between_tools"
    return {"thinking": {"type": "between_tools" if between_tools else "disabled"}}


def _output(parameters: JudgeParameters) -> JsonObject:
    config: JsonObject = {}
    if parameters.reasoning_effort not in (None, "none"):
        config["effort"] = parameters.reasoning_effort
    match parameters.structured_output:
        case "json_schema":
            config["format"] = {"type": "json_schema", "schema": PORTABLE_SCHEMA}
        case "tool":
            return {**_only_tool(), **({"output_config": config} if config else {})}
        case "prompt":
            pass
        case mode:
            raise unsupported_output_mode(VENDOR, mode, takes=("json_schema", "tool", "prompt"))
    return {"output_config": config} if config else {}


def _only_tool() -> JsonObject:
    tool: JsonObject = {
        "name": _TOOL,
        "description": "Record which of the two essays is better.",
        "input_schema": PORTABLE_SCHEMA,
        "strict": True,
    }
    choice: JsonObject = {"type": "tool", "name": _TOOL, "disable_parallel_tool_use": True}
    return {"tools": [tool], "tool_choice": choice}


def _text(content: str | list[_Block] | None) -> str:
    """What was written: the tool's input where it was to be used, else the text; thoughts are left out."""
    if content is None or isinstance(content, str):
        return content or ""
    for block in content:
        if block.type == "tool_use":
            return json.dumps(block.input, ensure_ascii=False)
    return "".join(block.text or "" for block in content if block.type == "text")


def _read_usage(usage: _Usage | None) -> Usage:
    if usage is None or usage.input_tokens is None:
        return UNKNOWN_USAGE
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return counted(
        input=usage.input_tokens + read + written,
        output=usage.output_tokens,
        cache_read=read,
        cache_write=written,
        cache_write_1h=usage.cache_creation.ephemeral_1h_input_tokens if usage.cache_creation else None,
        reasoning=usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else None,
    )
