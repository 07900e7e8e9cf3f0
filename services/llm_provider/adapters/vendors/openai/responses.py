"""OpenAI: the Responses API.

Request and answer as https://developers.openai.com/api/reference/resources/responses gives them. Nothing is
stored at OpenAI: ``store`` is true unless it is said to be false, and a student's essay is not ours to leave there.
"""

import hashlib
from dataclasses import replace
from typing import Final

import httpx2
from event_contracts import JsonObject
from pydantic import BaseModel, JsonValue

from llm_provider.adapters.vendor_api.answer_schema import PORTABLE_SCHEMA
from llm_provider.adapters.vendor_api.connection import Access, Connection, bearer
from llm_provider.adapters.vendor_api.failures import ErrorObject, error_in_success
from llm_provider.adapters.vendor_api.limit_headers import openai_limits
from llm_provider.adapters.vendor_api.sections import Section, sections
from llm_provider.adapters.vendor_api.token_log_odds import TOP_K, WrittenToken, log_odds_a
from llm_provider.adapters.vendor_api.unsupported import unsupported_output_mode
from llm_provider.adapters.vendor_api.wire_types import CallId, Lenient, Part, Tokens, counted, is_final
from llm_provider.domain.costs.usage import UNKNOWN_USAGE, Usage
from llm_provider.domain.requests.prompt import JudgeParameters
from llm_provider.ports import Ending, JudgeCall, JudgeReply

VENDOR: Final = "OpenAI"
URL: Final = "https://api.openai.com"

_KEY_LENGTH: Final = 32
_INCOMPLETE: Final = {
    "max_output_tokens": Ending.CUT_OFF,
    "max_tokens": Ending.CUT_OFF,
    "content_filter": Ending.REFUSAL,
}


class _Part(Part):
    logprobs: Lenient[list[WrittenToken]] = None


class _Item(BaseModel):
    type: Lenient[str] = None
    phase: Lenient[str] = None
    content: Lenient[list[_Part]] = None

    @property
    def is_answer(self) -> bool:
        return self.type == "message" and is_final(self.phase)


class _InputDetails(BaseModel):
    cached_tokens: Tokens = None
    cache_write_tokens: Tokens = None


class _OutputDetails(BaseModel):
    reasoning_tokens: Tokens = None


class _Usage(BaseModel):
    input_tokens: Tokens = None
    output_tokens: Tokens = None
    input_tokens_details: Lenient[_InputDetails] = None
    output_tokens_details: Lenient[_OutputDetails] = None


class _Incomplete(BaseModel):
    reason: Lenient[str] = None


class _Format(BaseModel):
    type: Lenient[str] = None


class _Text(BaseModel):
    format: Lenient[_Format] = None


class Response(BaseModel):
    """What a model answers, live or in a batch job."""

    model: CallId = None
    status: str
    output: list[_Item]
    error: ErrorObject | str | None = None
    incomplete_details: Lenient[_Incomplete] = None
    usage: Lenient[_Usage] = None
    text: Lenient[_Text] = None
    temperature: Lenient[float] = None

    def reply(self) -> JudgeReply:
        """The reply that this response is; raises ``JudgeError`` if the model failed to write one."""
        if self.status == "failed" or self.error is not None:
            raise error_in_success(VENDOR, self.error or ErrorObject(code="unknown"))
        contents = [part for item in self.output if item.is_answer for part in item.content or ()]
        refused = any(part.type == "refusal" for part in contents)
        usage = _read_usage(self.usage)
        return JudgeReply(
            text="".join(part.answer for part in contents),
            model=self.model or "",
            usage=usage,
            ending=Ending.REFUSAL if refused else self._ending(),
            log_odds_a=log_odds_a(
                [token for part in contents if part.answer for token in part.logprobs or ()],
                constrained=self._is_constrained,
                temperature=self.temperature,
                has_reasoned=usage.reasoning > 0,
            ),
        )

    @property
    def _is_constrained(self) -> bool:
        """Whether the answer was held to a schema, as the vendor repeats it; it is asked to be wherever it can."""
        said = self.text.format.type if self.text and self.text.format else None
        return said in (None, "json_schema")

    def _ending(self) -> Ending:
        if self.status == "completed":
            return Ending.COMPLETE
        reason = self.incomplete_details.reason if self.incomplete_details else None
        return _INCOMPLETE.get(reason or "", Ending.BROKEN_OFF)


class OpenAiJudge:
    """A model of OpenAI's, one call at a time."""

    def __init__(self, client: httpx2.AsyncClient, *, access: Access) -> None:
        self._connection = openai_connection(client, access)
        self._own_fields = access.own_fields

    async def judge(self, call: JudgeCall) -> JudgeReply:
        answer = await self._connection.post(
            "/v1/responses", response_body(call, own_fields=self._own_fields)
        )
        response = self._connection.parse(answer.content, Response)
        return replace(
            response.reply(),
            limits=self._connection.limits(answer),
            vendor_request_id=answer.headers.get("x-request-id"),
        )


def openai_access(key: str, url: str = URL) -> Access:
    """An account at OpenAI; raises ``ConfigurationError`` for a key that no header can carry."""
    return Access(name=VENDOR, base_url=url, headers=bearer(VENDOR, key), own_fields=True)


def openai_connection(
    client: httpx2.AsyncClient, access: Access, *, read_timeout: float | None = None
) -> Connection:
    """The connection that calls and batch jobs have in common."""
    return Connection(
        vendor=access.name,
        client=client,
        base_url=access.base_url,
        headers=access.headers,
        read_timeout=read_timeout,
        read_limits=openai_limits,
        token=access.token,
    )


def response_body(call: JudgeCall, *, own_fields: bool = True) -> JsonObject:
    """The body of a Responses request; raises ``RequestRejected`` for a parameter that it does not support.

    ``own_fields``: those that only OpenAI itself is known to take, which say how a prompt is cached.
    """
    parameters, prompt = call.parameters, sections(call.prompt)
    messages: list[JsonValue] = [
        {"role": role, "content": _parts(section, breakpoints=own_fields and parameters.cache_breakpoints)}
        for role, section in (("developer", prompt.system), ("user", prompt.user))
        if section.text
    ]
    body: JsonObject = {
        "model": parameters.model,
        "input": messages,
        "max_output_tokens": parameters.max_tokens,
        "text": _text_format(parameters),
        "store": False,
    }
    if parameters.temperature is not None:
        body["temperature"] = parameters.temperature
    if parameters.reasoning_effort is not None:
        body["reasoning"] = {"effort": parameters.reasoning_effort}
    if parameters.token_probabilities:
        body |= {"include": ["message.output_text.logprobs"], "top_logprobs": TOP_K}
    if not own_fields:
        return body
    return {**body, **_caching(prompt.shared, breakpoints=parameters.cache_breakpoints)}


def _parts(section: Section, *, breakpoints: bool) -> list[JsonValue]:
    if not breakpoints or not section.shared:
        return [{"type": "input_text", "text": section.text}]
    end: JsonObject = {"mode": "explicit"}
    parts: list[JsonValue] = [
        {"type": "input_text", "text": section.shared, "prompt_cache_breakpoint": end},
    ]
    return [*parts, {"type": "input_text", "text": section.own}] if section.own else parts


def _caching(shared: str, *, breakpoints: bool) -> JsonObject:
    """Send calls that share a prefix to the same cache, and write no more than that prefix into it."""
    caching: JsonObject = {"prompt_cache_options": {"mode": "explicit"}} if breakpoints else {}
    if shared:
        caching["prompt_cache_key"] = hashlib.sha256(shared.encode()).hexdigest()[:_KEY_LENGTH]
    return caching


def _text_format(parameters: JudgeParameters) -> JsonObject:
    text: JsonObject = {}
    if parameters.output_verbosity is not None:
        text["verbosity"] = parameters.output_verbosity
    match parameters.structured_output:
        case "json_schema":
            text["format"] = {
                "type": "json_schema",
                "name": "comparison",
                "strict": True,
                "schema": PORTABLE_SCHEMA,
            }
        case "json_object":
            text["format"] = {"type": "json_object"}
        case "prompt":
            text["format"] = {"type": "text"}
        case mode:
            raise unsupported_output_mode(VENDOR, mode, takes=("json_schema", "json_object", "prompt"))
    return text


def _read_usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return UNKNOWN_USAGE
    read = usage.input_tokens_details or _InputDetails()
    written = usage.output_tokens_details or _OutputDetails()
    return counted(
        input=usage.input_tokens,
        output=usage.output_tokens,
        cache_read=read.cached_tokens,
        cache_write=read.cache_write_tokens,
        reasoning=written.reasoning_tokens,
    )
