"""Google: generateContent of the Gemini API.

Request and answer as https://ai.google.dev/api/generate-content gives them (version v1). ``store`` is false: what
students write is kept in no log of the vendor's that a project may have switched on.
"""

from typing import Final, Self

import httpx2
from event_contracts import JsonObject
from pydantic import BaseModel, ConfigDict, JsonValue, model_validator
from pydantic.alias_generators import to_camel

from llm_provider.adapters.vendor_api.answer_schema import PORTABLE_SCHEMA
from llm_provider.adapters.vendor_api.connection import Access, Connection, require_key
from llm_provider.adapters.vendor_api.failures import ErrorObject, error_in_success
from llm_provider.adapters.vendor_api.unsupported import refuse_verbosity, unsupported_output_mode
from llm_provider.adapters.vendor_api.wire_types import CallId, Lenient, Tokens, counted
from llm_provider.domain.costs.usage import UNKNOWN_USAGE, Usage
from llm_provider.domain.requests.prompt import JudgeParameters, StructuredOutput
from llm_provider.ports import Ending, JudgeCall, JudgeReply

VENDOR: Final = "Google"
URL: Final = "https://generativelanguage.googleapis.com"

_ENDINGS: Final = {
    "STOP": Ending.COMPLETE,
    "MAX_TOKENS": Ending.CUT_OFF,
    **dict.fromkeys(
        (
            *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
            *("ESCALATION", "MODEL_ARMOR"),
        ),
        Ending.REFUSAL,
    ),
}
"""Unknown finish reasons are treated as incomplete (``OTHER``, ``MALFORMED_RESPONSE``)."""


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Part(_Wire):
    text: Lenient[str] = None
    thought: Lenient[bool] = None


class _Content(_Wire):
    parts: list[_Part] | None = None


class _Candidate(_Wire):
    content: _Content | None = None
    finish_reason: Lenient[str] = None

    @property
    def text(self) -> str:
        parts = self.content.parts if self.content else None
        return "".join(part.text or "" for part in parts or () if not part.thought)


class _Feedback(_Wire):
    block_reason: Lenient[str] = None


class _UsageMetadata(_Wire):
    prompt_token_count: Tokens = None
    candidates_token_count: Tokens = None
    thoughts_token_count: Tokens = None
    cached_content_token_count: Tokens = None
    total_token_count: Tokens = None


class Generated(_Wire):
    """What a model answers, live or in a batch job."""

    candidates: list[_Candidate] | None = None
    prompt_feedback: Lenient[_Feedback] = None
    usage_metadata: Lenient[_UsageMetadata] = None
    model_version: CallId = None
    response_id: CallId = None
    error: ErrorObject | str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.candidates is None and self.prompt_feedback is None and self.error is None:
            raise ValueError("has neither candidates nor prompt feedback nor an error")
        return self

    def reply(self, *, model: str) -> JudgeReply:
        """The reply that this is; ``model`` was asked, and is named where the answer names none.

        Raises ``JudgeError`` for an error that comes with a status of success.
        """
        if self.error is not None:
            raise error_in_success(VENDOR, self.error)
        written = self.candidates[0] if self.candidates else _Candidate()
        return JudgeReply(
            text=written.text,
            model=self.model_version or model,
            usage=_read_usage(self.usage_metadata),
            ending=self._ending(written.finish_reason),
            vendor_request_id=self.response_id,
        )

    def _ending(self, reason: str | None) -> Ending:
        if self.prompt_feedback is not None and self.prompt_feedback.block_reason is not None:
            return Ending.REFUSAL
        return _ENDINGS.get(reason or "", Ending.BROKEN_OFF)


class GoogleJudge:
    """A model of Google's, one call at a time."""

    def __init__(self, client: httpx2.AsyncClient, *, access: Access) -> None:
        self._connection = google_connection(client, access)
        self._own_fields = access.own_fields

    async def judge(self, call: JudgeCall) -> JudgeReply:
        model = call.parameters.model
        answer = await self._connection.post(
            f"/models/{model}:generateContent", generate_body(call, own_fields=self._own_fields)
        )
        return self._connection.parse(answer.content, Generated).reply(model=model)


def google_access(key: str, url: str = URL) -> Access:
    """An account at Google; raises ``ConfigurationError`` for a key that no header can carry.

    The base URL is that of the models resource, as a named endpoint's is: on Google Cloud that is below a project.
    """
    return Access(
        name=VENDOR,
        base_url=f"{url.rstrip('/')}/v1",
        headers={"x-goog-api-key": require_key(VENDOR, key)},
        own_fields=True,
    )


def google_connection(
    client: httpx2.AsyncClient, access: Access, *, read_timeout: float | None = None
) -> Connection:
    """The connection that calls and batch jobs have in common."""
    return Connection(
        vendor=access.name,
        client=client,
        base_url=access.base_url,
        headers=access.headers,
        read_timeout=read_timeout,
        token=access.token,
    )


def generate_body(call: JudgeCall, *, own_fields: bool = True) -> JsonObject:
    """The body of a generateContent request; raises ``RequestRejected`` for a parameter that it does not support.

    ``own_fields``: the Gemini API keeps a log unless it is told not to; Google Cloud has none, and no such field.
    """
    refuse_verbosity(VENDOR, call.parameters)
    contents: list[JsonValue] = [{"role": "user", "parts": [{"text": call.prompt.user}]}]
    body: JsonObject = {
        "contents": contents,
        "generationConfig": _generation(call.parameters),
    }
    if own_fields:
        body["store"] = False
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


def _response(mode: StructuredOutput) -> JsonObject:
    match mode:
        case "json_schema":
            return {"responseMimeType": "application/json", "responseJsonSchema": PORTABLE_SCHEMA}
        case "json_object":
            return {"responseMimeType": "application/json"}
        case "prompt":
            return {}
        case _:
            raise unsupported_output_mode(VENDOR, mode, takes=("json_schema", "json_object", "prompt"))


def _thinking(effort: str) -> JsonObject:
    """A level since Gemini 3; no thinking at all is a budget of zero, for models that allow it."""
    return {"thinkingBudget": 0} if effort == "none" else {"thinkingLevel": effort.upper()}


def _read_usage(usage: _UsageMetadata | None) -> Usage:
    """Google omits counts of 0: without an answer there is no count for it."""
    if usage is None or usage.prompt_token_count is None:
        return UNKNOWN_USAGE
    if usage.candidates_token_count is None and usage.total_token_count is None:
        return UNKNOWN_USAGE
    thought = usage.thoughts_token_count or 0
    return counted(
        input=usage.prompt_token_count,
        output=(usage.candidates_token_count or 0) + thought,
        cache_read=usage.cached_content_token_count,
        reasoning=thought,
    )
