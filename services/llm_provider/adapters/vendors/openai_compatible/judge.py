"""Any server that speaks OpenAI's chat completions protocol: a self-hosted model (vLLM, Ollama, llama.cpp).

These servers write a grammar from the whole schema, so they are sent the whole schema.
"""

from dataclasses import replace
from typing import Final

import httpx2
from event_contracts import JsonObject
from event_contracts.judging import ASKED_SCHEMA

from llm_provider.adapters.vendor_api.chat_completions import Completion, messages, response_format
from llm_provider.adapters.vendor_api.connection import Connection, require_key
from llm_provider.adapters.vendor_api.limit_headers import openai_limits
from llm_provider.adapters.vendor_api.unsupported import refuse_verbosity
from llm_provider.domain.requests.prompt import JudgeParameters
from llm_provider.ports import JudgeCall, JudgeReply

VENDOR: Final = "the model's server"


class OpenAiCompatibleJudge:
    """Calls ``POST {base_url}/chat/completions``."""

    def __init__(self, client: httpx2.AsyncClient, *, base_url: str, api_key: str | None) -> None:
        self._connection = Connection(
            vendor=VENDOR,
            client=client,
            base_url=base_url,
            headers={} if api_key is None else {"authorization": f"Bearer {require_key(VENDOR, api_key)}"},
            read_limits=openai_limits,
        )

    async def judge(self, call: JudgeCall) -> JudgeReply:
        answer = await self._connection.post("/chat/completions", completion_body(call))
        completion = self._connection.parse(answer.content, Completion)
        reply = completion.reply(vendor=VENDOR, model=call.parameters.model)
        return replace(reply, limits=self._connection.limits(answer))


def completion_body(call: JudgeCall) -> JsonObject:
    """The body of a chat completion; raises ``RequestRejected`` for a parameter that it has no place for."""
    parameters = call.parameters
    refuse_verbosity(VENDOR, parameters)
    body: JsonObject = {
        "model": parameters.model,
        "messages": messages(call.prompt),
        "max_tokens": parameters.max_tokens,
        **_response_format(parameters),
    }
    if parameters.temperature is not None:
        body["temperature"] = parameters.temperature
    if parameters.reasoning_effort is not None:
        body["reasoning_effort"] = parameters.reasoning_effort
    return body


def _response_format(parameters: JudgeParameters) -> JsonObject:
    """As OpenAI has it, or as llama-cpp-python's server: that takes a schema with ``json_object`` and not otherwise."""
    if parameters.structured_output == "json_object_with_schema":
        with_schema: JsonObject = {"type": "json_object", "schema": ASKED_SCHEMA}
        return {"response_format": with_schema}
    return response_format(VENDOR, parameters, ASKED_SCHEMA)
