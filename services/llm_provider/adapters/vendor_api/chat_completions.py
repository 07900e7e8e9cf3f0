"""OpenAI's chat completions protocol, which self-hosted servers and OpenRouter speak."""

from typing import Final, Self

from event_contracts import JsonObject
from pydantic import BaseModel, JsonValue, model_validator

from llm_provider.adapters.vendor_api.failures import ErrorObject, error_in_success
from llm_provider.adapters.vendor_api.token_log_odds import TokenProbabilities, WrittenToken
from llm_provider.adapters.vendor_api.unsupported import unsupported_output_mode
from llm_provider.adapters.vendor_api.wire_types import (
    CallId,
    Content,
    Lenient,
    Tokens,
    answer_text,
    counted,
    is_final,
)
from llm_provider.domain.costs.usage import UNKNOWN_USAGE, Usage
from llm_provider.domain.requests.prompt import JudgeParameters, Prompt
from llm_provider.ports import Ending, JudgeReply

_ENDINGS: Final = {
    "stop": Ending.COMPLETE,
    "eos": Ending.COMPLETE,
    "length": Ending.CUT_OFF,
    "max_tokens": Ending.CUT_OFF,
    "model_length": Ending.CUT_OFF,
    "model_context_window_exceeded": Ending.CUT_OFF,
    "content_filter": Ending.REFUSAL,
    "refusal": Ending.REFUSAL,
    "sensitive": Ending.REFUSAL,
}
"""What servers call the end of an answer (Together: ``eos``, Mistral: ``model_length``, Z.ai: ``sensitive``).

Unknown finish reasons, and null, are treated as incomplete: ``error``, ``network_error``, DeepSeek's
``insufficient_system_resource``, a call to a tool that was not offered.
"""


class _Message(BaseModel):
    content: Content = None
    refusal: Lenient[str] = None
    phase: Lenient[str] = None

    @property
    def text(self) -> str:
        return answer_text(self.content) if is_final(self.phase) else ""


class _Choice(BaseModel):
    message: _Message = _Message()
    finish_reason: Lenient[str] = None
    error: ErrorObject | None = None
    logprobs: Lenient[TokenProbabilities] = None

    @property
    def ending(self) -> Ending:
        if self.message.refusal:
            return Ending.REFUSAL
        if "finish_reason" not in self.model_fields_set:  # a server that never says how an answer ended
            return Ending.COMPLETE
        return _ENDINGS.get(self.finish_reason or "", Ending.BROKEN_OFF)


class _InputDetails(BaseModel):
    cached_tokens: Tokens = None
    cache_write_tokens: Tokens = None


class _OutputDetails(BaseModel):
    reasoning_tokens: Tokens = None


class _Usage(BaseModel):
    prompt_tokens: Tokens = None
    completion_tokens: Tokens = None
    prompt_tokens_details: Lenient[_InputDetails] = None
    completion_tokens_details: Lenient[_OutputDetails] = None


class Completion(BaseModel):
    """What a model answers."""

    id: CallId = None
    model: CallId = None
    choices: list[_Choice] | None = None
    usage: Lenient[_Usage] = None
    error: ErrorObject | str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.choices is None and self.error is None:
            raise ValueError("neither choices nor an error")
        return self

    @property
    def tokens(self) -> list[WrittenToken] | None:
        """The answer's tokens with their probabilities, where these were asked for and given."""
        probabilities = self.choices[0].logprobs if self.choices else None
        return probabilities.content if probabilities else None

    def reply(self, *, vendor: str, model: str) -> JudgeReply:
        """The reply that this is; ``model`` was asked, and is named where the answer names none.

        Raises ``JudgeError`` for an error that comes with a status of success.
        """
        choice = self.choices[0] if self.choices else _Choice()
        error = self.error or choice.error
        if error is not None:
            raise error_in_success(vendor, error)
        return JudgeReply(
            text=choice.message.text,
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
            raise unsupported_output_mode(vendor, mode, takes=("json_schema", "json_object", "prompt"))


def _read_usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return UNKNOWN_USAGE
    read = usage.prompt_tokens_details or _InputDetails()
    written = usage.completion_tokens_details or _OutputDetails()
    return counted(
        input=usage.prompt_tokens,
        output=usage.completion_tokens,
        cache_read=read.cached_tokens,
        cache_write=read.cache_write_tokens,
        reasoning=written.reasoning_tokens,
    )
