"""OpenAI's chat completions protocol, which self-hosted servers and OpenRouter speak."""

from typing import Final, Self

from event_contracts import JsonObject
from pydantic import BaseModel, JsonValue, model_validator

from llm_provider.adapters.vendor_api.failures import ErrorObject, error_of, failure
from llm_provider.adapters.vendor_api.unsupported import no_such_output
from llm_provider.adapters.vendor_api.wire_types import CallId, Tokens
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.requests.prompt import JudgeParameters, Prompt
from llm_provider.ports import Ending, JudgeReply

_ENDINGS: Final = {"length": Ending.CUT_OFF, "content_filter": Ending.REFUSAL}


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message = _Message()
    finish_reason: str | None = None
    error: ErrorObject | None = None

    @property
    def ending(self) -> Ending:
        if self.message.refusal:
            return Ending.REFUSAL
        return _ENDINGS.get(self.finish_reason or "", Ending.COMPLETE)


class _InputDetails(BaseModel):
    cached_tokens: Tokens = 0
    cache_write_tokens: Tokens = 0


class _OutputDetails(BaseModel):
    reasoning_tokens: Tokens = 0


class _Usage(BaseModel):
    prompt_tokens: Tokens = 0
    completion_tokens: Tokens = 0
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class Completion(BaseModel):
    """What a model answers."""

    id: CallId = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: ErrorObject | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.choices is None and self.error is None:
            raise ValueError("neither choices nor an error")
        return self

    def reply(self, *, vendor: str, model: str) -> JudgeReply:
        """The reply that this is; ``model`` was asked, and is named where the answer names none.

        Raises ``JudgeError`` for an error that comes with a status of success.
        """
        choice = self.choices[0] if self.choices else _Choice()
        error = self.error or choice.error
        if error is not None:
            status = error.code if isinstance(error.code, int) else 500
            raise failure(vendor, status, error_of(error))
        return JudgeReply(
            text=choice.message.content or "",
            model=self.model or model,
            usage=_read_usage(self.usage),
            ending=choice.ending,
            vendor_request_id=self.id,
        )


def messages(prompt: Prompt) -> list[JsonValue]:
    """A prompt as messages."""
    user: JsonObject = {"role": "user", "content": prompt.user}
    return [{"role": "system", "content": prompt.system}, user] if prompt.system else [user]


def response_format(vendor: str, parameters: JudgeParameters, schema: JsonObject) -> JsonObject:
    """``response_format``, where the mode needs one; raises ``RequestRejected`` for a mode that there is not."""
    match parameters.structured_output:
        case "json_schema":
            named: JsonObject = {"name": "comparison", "strict": True, "schema": schema}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case "prompt":
            return {}
        case mode:
            raise no_such_output(vendor, mode, takes=("json_schema", "json_object", "prompt"))


def _read_usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return Usage()
    read = usage.prompt_tokens_details or _InputDetails()
    written = usage.completion_tokens_details or _OutputDetails()
    return Usage(
        input=usage.prompt_tokens,
        output=usage.completion_tokens,
        cache_read=read.cached_tokens,
        cache_write=read.cache_write_tokens,
        reasoning=written.reasoning_tokens,
    )
