"""Any server that speaks OpenAI's chat completions protocol: a self-hosted model."""

import math
from collections.abc import Mapping
from datetime import timedelta

import httpx2
from event_contracts import JsonObject
from event_contracts.judging import ANSWER_SCHEMA
from pydantic import BaseModel, JsonValue, ValidationError

from llm_provider.domain.errors import (
    JudgeBusy,
    JudgeError,
    JudgeForbidden,
    JudgeRefused,
    JudgeTimeout,
    JudgeUnavailable,
    PromptTooLong,
)
from llm_provider.domain.request import Prompt, Usage
from llm_provider.ports import JudgeCall, JudgeReply


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Details(BaseModel):
    cached_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None


class _Completion(BaseModel):
    model: str
    choices: list[_Choice]
    usage: _Usage | None = None


class OpenAiCompatibleJudge:
    """Implements ``ports.Judge`` against ``{base_url}/chat/completions``."""

    def __init__(self, client: httpx2.AsyncClient, *, base_url: str, api_key: str | None) -> None:
        self._client = client
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {} if api_key is None else {"authorization": f"Bearer {api_key}"}

    async def judge(self, call: JudgeCall) -> JudgeReply:
        try:
            answer = await self._client.post(
                self._url, json=request_body(call), headers=self._headers, timeout=None
            )
        except httpx2.TimeoutException as error:
            raise JudgeTimeout("the model's server did not answer in time") from error
        except httpx2.HTTPError as error:
            raise JudgeUnavailable(f"the model's server cannot be reached: {error!r}") from error
        if not answer.is_success:
            raise http_failure(answer)
        return _reply(answer.content)


def request_body(call: JudgeCall) -> JsonObject:
    """The body of a chat completion request."""
    parameters = call.parameters
    body: JsonObject = {
        "model": parameters.model,
        "messages": _messages(call.prompt),
        "max_tokens": parameters.max_tokens,
        **_response_format(parameters.structured_output),
    }
    if parameters.temperature is not None:
        body["temperature"] = parameters.temperature
    return body


def _messages(prompt: Prompt) -> list[JsonValue]:
    user: JsonObject = {"role": "user", "content": prompt.user}
    system: JsonObject = {"role": "system", "content": prompt.system}
    return [system, user] if prompt.system else [user]


def _response_format(mode: str) -> JsonObject:
    if mode == "json_schema":
        schema: JsonObject = {"name": "comparison", "strict": True, "schema": dict(ANSWER_SCHEMA)}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    return {"response_format": {"type": "json_object"}} if mode == "json_object" else {}


def http_failure(answer: httpx2.Response) -> JudgeError:
    """The error that a non-2xx answer stands for; the vendor's text is not passed on, as it may quote the prompt."""
    status = answer.status_code
    if status == 429:
        return JudgeBusy("the model's server limits the rate", retry_after=retry_after(answer.headers))
    if status in (401, 403):
        return JudgeForbidden(f"the model's server refuses the key ({status})")
    if status == 413:
        return PromptTooLong("the prompt is longer than the model's server takes")
    if status == 408:
        return JudgeTimeout("the model's server timed out")
    if status >= 500:
        return JudgeUnavailable(
            f"the model's server failed ({status})", retry_after=retry_after(answer.headers)
        )
    return JudgeRefused(f"the model's server does not accept the request ({status})")


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """What a Retry-After header in seconds says; None where there is none that can be read."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return timedelta(seconds=seconds) if math.isfinite(seconds) and seconds >= 0 else None


def _reply(body: bytes) -> JudgeReply:
    try:
        completion = _Completion.model_validate_json(body)
        text = completion.choices[0].message.content
    except (ValidationError, IndexError) as error:
        raise JudgeUnavailable("the answer of the model's server does not fit the protocol") from error
    usage = completion.usage or _Usage()
    details = usage.prompt_tokens_details
    return JudgeReply(
        text=text or "",
        model=completion.model,
        usage=Usage(
            input=usage.prompt_tokens,
            output=usage.completion_tokens,
            cache_read=(details.cached_tokens or 0) if details else 0,
        ),
    )
