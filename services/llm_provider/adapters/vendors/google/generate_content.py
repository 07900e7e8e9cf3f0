"""Google: generateContent of the Gemini API.

Request and answer as https://ai.google.dev/api/generate-content gives them (version v1). ``store`` is false: what
students write is kept in no log of the vendor's that a project may have switched on.
"""

from typing import Final

import httpx2
from event_contracts import JsonObject
from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

from llm_provider.adapters.vendor_api.answer_schema import PORTABLE_SCHEMA
from llm_provider.adapters.vendor_api.connection import Connection, require_key
from llm_provider.adapters.vendor_api.unsupported import no_such_output, refuse_verbosity
from llm_provider.adapters.vendor_api.wire_types import CallId, Tokens
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.requests.prompt import JudgeParameters
from llm_provider.ports import Ending, JudgeCall, JudgeReply

VENDOR: Final = "Google"
URL: Final = "https://generativelanguage.googleapis.com"

_BLOCKED: Final = frozenset(
    {"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION"}
)


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Part(_Wire):
    text: str = ""
    thought: bool = False


class _Content(_Wire):
    parts: list[_Part] = []


class _Candidate(_Wire):
    content: _Content = _Content()
    finish_reason: str | None = None


class _Feedback(_Wire):
    block_reason: str | None = None


class _UsageMetadata(_Wire):
    prompt_token_count: Tokens = 0
    candidates_token_count: Tokens = 0
    thoughts_token_count: Tokens = 0
    cached_content_token_count: Tokens = 0


class Generated(_Wire):
    """What a model answers, live or in a batch job."""

    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback = _Feedback()
    usage_metadata: _UsageMetadata
    model_version: str | None = None
    response_id: CallId = None

    def reply(self, *, model: str) -> JudgeReply:
        """The reply that this is; ``model`` was asked, and is named where the answer names none."""
        written = self.candidates[0] if self.candidates else _Candidate()
        return JudgeReply(
            text="".join(part.text for part in written.content.parts if not part.thought),
            model=self.model_version or model,
            usage=_read_usage(self.usage_metadata),
            ending=self._ending(written.finish_reason),
            vendor_request_id=self.response_id,
        )

    def _ending(self, reason: str | None) -> Ending:
        if reason == "MAX_TOKENS":
            return Ending.CUT_OFF
        refused = self.prompt_feedback.block_reason is not None or reason in _BLOCKED
        return Ending.REFUSAL if refused else Ending.COMPLETE


class GoogleJudge:
    """A model of Google's, one call at a time."""

    def __init__(self, client: httpx2.AsyncClient, *, api_key: str, base_url: str = URL) -> None:
        self._connection = google_connection(client, api_key=api_key, base_url=base_url)

    async def judge(self, call: JudgeCall) -> JudgeReply:
        model = call.parameters.model
        answer = await self._connection.post(f"/v1/models/{model}:generateContent", generate_body(call))
        return self._connection.parse(answer.content, Generated).reply(model=model)


def google_connection(
    client: httpx2.AsyncClient, *, api_key: str, base_url: str, silence: float | None = None
) -> Connection:
    """The connection that calls and batch jobs have in common."""
    return Connection(
        vendor=VENDOR,
        client=client,
        base_url=base_url,
        headers={"x-goog-api-key": require_key(VENDOR, api_key)},
        silence=silence,
    )


def generate_body(call: JudgeCall) -> JsonObject:
    """The body of a generateContent request; raises ``RequestRejected`` for a parameter that it has no place for."""
    refuse_verbosity(VENDOR, call.parameters)
    contents: list[JsonValue] = [{"role": "user", "parts": [{"text": call.prompt.user}]}]
    body: JsonObject = {
        "contents": contents,
        "generationConfig": _generation(call.parameters),
        "store": False,
    }
    if call.prompt.system:
        body["systemInstruction"] = {"role": "user", "parts": [{"text": call.prompt.system}]}
    return body


def _generation(parameters: JudgeParameters) -> JsonObject:
    config: JsonObject = {"maxOutputTokens": parameters.max_tokens, **_response(parameters.structured_output)}
    if parameters.temperature is not None:
        config["temperature"] = parameters.temperature
    if parameters.reasoning_effort is not None:
        config["thinkingConfig"] = _thinking(parameters.reasoning_effort)
    return config


def _response(mode: str) -> JsonObject:
    match mode:
        case "json_schema":
            return {"responseMimeType": "application/json", "responseJsonSchema": PORTABLE_SCHEMA}
        case "json_object":
            return {"responseMimeType": "application/json"}
        case "prompt":
            return {}
        case _:
            raise no_such_output(VENDOR, mode, takes=("json_schema", "json_object", "prompt"))


def _thinking(effort: str) -> JsonObject:
    """A level since Gemini 3; no thinking at all is a budget of none, for the models that can do without."""
    return {"thinkingBudget": 0} if effort == "none" else {"thinkingLevel": effort.upper()}


def _read_usage(usage: _UsageMetadata) -> Usage:
    return Usage(
        input=usage.prompt_token_count,
        output=usage.candidates_token_count + usage.thoughts_token_count,
        cache_read=usage.cached_content_token_count,
        reasoning=usage.thoughts_token_count,
    )
