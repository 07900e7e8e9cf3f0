"""Any server that speaks OpenAI's chat completions protocol: a self-hosted model (vLLM, Ollama, llama.cpp).

They are sent the schema in the words that every server takes: under ``strict`` some refuse a length.
"""

from dataclasses import replace
from typing import Final, Literal
from urllib.parse import urlsplit

import httpx2
from event_contracts import JsonObject

from llm_provider.adapters.vendor_api.answer_schema import PORTABLE_SCHEMA
from llm_provider.adapters.vendor_api.chat_completions import Completion, messages, response_format
from llm_provider.adapters.vendor_api.connection import Access, Connection, bearer
from llm_provider.adapters.vendor_api.limit_headers import openai_limits
from llm_provider.adapters.vendor_api.token_log_odds import TOP_K, log_odds_a
from llm_provider.adapters.vendor_api.unsupported import refuse_verbosity
from llm_provider.domain.requests.prompt import JudgeParameters
from llm_provider.ports import JudgeCall, JudgeReply

VENDOR: Final = "the model's server"

TokensField = Literal["max_tokens", "max_completion_tokens"]
"""The field that limits the length of an answer: newer OpenAI models, and those of Azure, take the second only."""


def server_access(url: str, *, key: str | None) -> Access:
    """A self-hosted server; raises ``ConfigurationError`` for a key that no header can carry.

    ``http://127.0.0.1:8000`` means ``http://127.0.0.1:8000/v1``; an address that has a path is taken as it stands.
    """
    base_url = url.rstrip("/")
    return Access(
        name=VENDOR,
        base_url=base_url if urlsplit(base_url).path else f"{base_url}/v1",
        headers={} if key is None else bearer(VENDOR, key),
    )


class OpenAiCompatibleJudge:
    """Calls ``POST {base_url}/chat/completions``."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        *,
        access: Access,
        tokens_field: TokensField = "max_tokens",
        token_probabilities: bool = False,
    ) -> None:
        self._token_probabilities = token_probabilities
        self._tokens_field: TokensField = tokens_field
        self._connection = Connection(
            vendor=access.name,
            client=client,
            base_url=access.base_url,
            headers=access.headers,
            read_limits=openai_limits,
            token=access.token,
        )

    async def judge(self, call: JudgeCall) -> JudgeReply:
        body = completion_body(call, self._tokens_field)
        if self._token_probabilities or call.parameters.token_probabilities:
            body |= {"logprobs": True, "top_logprobs": TOP_K}
        answer = await self._connection.post("/chat/completions", body)
        completion = self._connection.parse(answer.content, Completion)
        reply = completion.reply(vendor=VENDOR, model=call.parameters.model)
        said = log_odds_a(
            completion.tokens,
            constrained=call.parameters.structured_output != "prompt",
            temperature=call.parameters.temperature,
            has_reasoned=reply.usage.reasoning > 0,
        )
        return replace(reply, limits=self._connection.limits(answer), log_odds_a=said)


def completion_body(call: JudgeCall, tokens_field: TokensField = "max_tokens") -> JsonObject:
    """The body of a chat completion; raises ``RequestRejected`` for a parameter that it does not support."""
    parameters = call.parameters
    refuse_verbosity(VENDOR, parameters)
    body: JsonObject = {
        "model": parameters.model,
        "messages": messages(call.prompt),
        tokens_field: parameters.max_tokens,
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
        with_schema: JsonObject = {"type": "json_object", "schema": PORTABLE_SCHEMA}
        return {"response_format": with_schema}
    return response_format(VENDOR, parameters, PORTABLE_SCHEMA)
