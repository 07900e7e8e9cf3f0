"""Whatever a vendor sends, reading it ends in a reply or in a ``JudgeError``: in nothing else."""

import json
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from llm_provider.adapters.vendor_api.chat_completions import Completion
from llm_provider.adapters.vendor_api.connection import Connection
from llm_provider.adapters.vendor_api.failures import _PHRASES, failure, read_error
from llm_provider.adapters.vendors.anthropic.messages import Message
from llm_provider.adapters.vendors.google.generate_content import Generated
from llm_provider.adapters.vendors.openai.responses import Response
from llm_provider.domain.calls.errors import JudgeError, JudgeUnavailable, PromptTooLong, RequestRejected
from llm_provider.ports import JudgeReply
from pydantic import BaseModel

NAMES: Final = [
    *("id", "type", "model", "content", "text", "usage", "input_tokens", "output_tokens", "stop_reason"),
    *("status", "output", "error", "code", "message", "choices", "refusal", "finish_reason", "candidates"),
    *("usageMetadata", "promptTokenCount", "promptFeedback", "parts", "thought", "details", "metadata"),
]
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)
CONNECTION: Final = Connection(
    vendor="somebody", client=httpx2.AsyncClient(verify=False), base_url="http://127.0.0.1:1", headers={}
)
READERS: Final[tuple[tuple[type[BaseModel], Callable[..., JudgeReply]], ...]] = (
    (Message, lambda message: message.reply()),
    (Response, lambda response: response.reply()),
    (Generated, lambda generated: generated.reply(model="m")),
    (Completion, lambda completion: completion.reply(vendor="v", model="m")),
)


@given(values)
def test_no_body_can_break_a_reader(value: object) -> None:
    for shape, read in READERS:
        try:
            reply = read(CONNECTION.parse(json.dumps(value).encode(), shape))
        except JudgeError:
            continue

        assert reply.usage.input >= 0
        assert reply.usage.output >= 0


@given(st.binary(max_size=50))
def test_no_bytes_can_break_a_reader(content: bytes) -> None:
    for shape, _ in READERS:
        with suppress(JudgeUnavailable):
            CONNECTION.parse(content, shape)


@pytest.mark.parametrize("shape", [shape for shape, _ in READERS])
def test_the_cause_of_an_error_does_not_quote_the_body(shape: type[BaseModel]) -> None:
    words = "".join(["what a ", "student wrote"])
    body = json.dumps({"content": words}).encode()

    with pytest.raises(JudgeUnavailable) as raised:
        CONNECTION.parse(body, shape)

    assert words not in "".join(traceback.format_exception(raised.value))


@given(values, st.integers(300, 599))
def test_no_error_body_can_break_the_reading_of_errors(value: object, status: int) -> None:
    for body in (value, {"error": value}):
        found = failure("somebody", status, read_error(json.dumps(body).encode()))

        assert str(status) in found.message
        assert len(found.message) < 1_000


@given(st.text(min_size=20, max_size=200))
def test_a_vendors_message_is_never_part_of_the_error(message: str) -> None:
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()

    found = failure("somebody", 400, read_error(body))

    assert found.message in {
        f"somebody {phrase} (400 invalid_request_error)"
        for phrase in (_PHRASES[RequestRejected], _PHRASES[PromptTooLong])
    }


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("This model's maximum context length is 8192 tokens. However, you requested 9000.", PromptTooLong),
        ("prompt is too long: 12 tokens > 10 maximum", PromptTooLong),
        ("The input token count (12) exceeds the maximum number of tokens allowed (10).", PromptTooLong),
        ("temperature: Extra inputs are not permitted", RequestRejected),
    ],
)
def test_a_message_may_tell_two_final_errors_apart(message: str, kind: type[JudgeError]) -> None:
    body = json.dumps({"error": {"message": message}}).encode()

    assert type(failure("somebody", 400, read_error(body))) is kind


@example(lines=["{}", "", " "], size=2)
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), max_size=5), st.integers(1, 7)
)
async def test_lines_are_the_same_however_a_file_is_cut_into_pieces(lines: list[str], size: int) -> None:
    content = "\n".join(lines).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), size):
            yield content[start : start + size]

    async def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=pieces())

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        connection = Connection(vendor="somebody", client=client, base_url="http://127.0.0.1:1", headers={})
        read = [line.decode() async for line in connection.lines("/file")]

    assert read == [line for line in lines if line.encode().strip()]
