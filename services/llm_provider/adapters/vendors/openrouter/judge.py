"""OpenRouter: chat completions of many vendors' models.

Request and answer as https://openrouter.ai/docs/api-reference gives them. Only upstream providers are asked that take
every parameter of the request, and that do not collect what they are sent.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import httpx2
from event_contracts import JsonObject
from pydantic import JsonValue

from llm_provider.adapters.vendor_api.answer_schema import PORTABLE_SCHEMA
from llm_provider.adapters.vendor_api.chat_completions import Completion, messages, response_format
from llm_provider.adapters.vendor_api.connection import Access, Connection, bearer
from llm_provider.adapters.vendor_api.limit_headers import openai_limits
from llm_provider.adapters.vendor_api.sections import Section, Ttl, sections
from llm_provider.ports import JudgeCall, JudgeReply

VENDOR: Final = "OpenRouter"
URL: Final = "https://openrouter.ai/api/v1"

_ROUTING: Final[JsonObject] = {"require_parameters": True, "data_collection": "deny"}


def openrouter_access(key: str, url: str = URL) -> Access:
    """An account at OpenRouter; raises ``ConfigurationError`` for a key that no header can carry."""
    return Access(name=VENDOR, base_url=url, headers=bearer(VENDOR, key), own_fields=True)


class OpenRouterJudge:
    """A model that OpenRouter offers."""

    def __init__(self, client: httpx2.AsyncClient, *, access: Access) -> None:
        self._connection = Connection(
            vendor=access.name,
            client=client,
            base_url=access.base_url,
            headers=access.headers,
            read_limits=openai_limits,
            token=access.token,
        )

    async def judge(self, call: JudgeCall) -> JudgeReply:
        answer = await self._connection.post("/chat/completions", routed_body(call))
        completion = self._connection.parse(answer.content, Completion)
        reply = completion.reply(vendor=VENDOR, model=call.parameters.model)
        return replace(reply, limits=self._connection.limits(answer))


def routed_body(call: JudgeCall) -> JsonObject:
    """The body of a chat completion; raises ``RequestRejected`` for a parameter that it does not support."""
    parameters = call.parameters
    body: JsonObject = {
        "model": parameters.model,
        "messages": messages(call.prompt),
        "max_tokens": parameters.max_tokens,
        "provider": _ROUTING,
        **response_format(VENDOR, parameters, PORTABLE_SCHEMA),
    }
    if parameters.temperature is not None:
        body["temperature"] = parameters.temperature
    if parameters.reasoning_effort is not None:
        body["reasoning"] = {"effort": parameters.reasoning_effort}
    if parameters.output_verbosity is not None:
        body["verbosity"] = parameters.output_verbosity
    return {**body, **_caching(call)} if parameters.cache_breakpoints else body


def _caching(call: JudgeCall) -> JsonObject:
    """Breakpoints as the vendor of the model has them: each dialect's fields go to its own vendor's models only."""
    split = sections(call.prompt)
    vendor = call.parameters.model.partition("/")[0]
    marks, options = _MARKS.get(vendor, _ANTHROPIC)
    marked: list[JsonValue] = [
        {"role": role, "content": _parts(section, marks(section.ttl))}
        for role, section in (("system", split.system), ("user", split.user))
        if section.text
    ]
    return {"messages": marked, **options}


def _anthropic_mark(ttl: Ttl) -> JsonObject:
    return {"cache_control": {"type": "ephemeral", "ttl": ttl}}


def _openai_mark(_: Ttl) -> JsonObject:
    return {"prompt_cache_breakpoint": {"mode": "explicit"}}


_Marks = tuple[Callable[[Ttl], JsonObject], JsonObject]
_ANTHROPIC: Final[_Marks] = (_anthropic_mark, {})
_OPENAI: Final[_Marks] = (_openai_mark, {"prompt_cache_options": {"mode": "explicit"}})
_MARKS: Final[Mapping[str, _Marks]] = {"anthropic": _ANTHROPIC, "openai": _OPENAI}


def _parts(section: Section, mark: JsonObject) -> list[JsonValue]:
    parts: list[JsonValue] = []
    if section.shared:
        parts.append({"type": "text", "text": section.shared, **mark})
    if section.own:
        parts.append({"type": "text", "text": section.own})
    return parts
