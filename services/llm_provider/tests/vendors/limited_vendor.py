"""A vendor of models whose limits are real: it answers chat completions after a delay, and refuses calls beyond them.

Limits are counted over a sliding window: at no time may the requests, or the tokens, of the window before it
exceed the limit. No vendor is stricter: a client within these limits is within those of all of them.
"""

import asyncio
import json
import math
import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from event_contracts import LABEL_A
from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPResponseBodyEvent,
    HTTPResponseStartEvent,
    Scope,
)

CHARACTERS_PER_TOKEN: Final = 3.7
"""Differs from the service's estimate, which it has to correct."""

OUTPUT_TOKENS: Final = 40
_ANSWER: Final = json.dumps(
    {"winner": LABEL_A, "justification": "It stays closer to the task.", "confidence": 4}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorLimits:
    """Requests and tokens in every ``window`` seconds.

    ``latency`` is the median time of a call in seconds, ``spread`` the standard deviation of its logarithm.
    """

    requests: int
    tokens: int
    window: float = 60.0
    latency: float = 0.5
    spread: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCall:
    """A call as the vendor saw it: when it came (monotonic seconds), how it was answered, tokens it used."""

    at: float
    status: int
    tokens: int


@dataclass(kw_only=True)
class LimitedVendor:
    """An ASGI application; ``calls`` is what it has seen."""

    limits: VendorLimits
    seed: int = 1
    calls: list[SeenCall] = field(default_factory=list)
    _window: deque[tuple[float, int]] = field(default_factory=deque)
    _tokens: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer one request; anything but a POST answers that the vendor is up."""
        if scope["type"] != "http":
            return
        if scope["method"] != "POST":
            await _respond(send, 200, b"{}", {})
            return
        tokens = math.ceil(_characters(await _body(receive)) / CHARACTERS_PER_TOKEN) + OUTPUT_TOKENS
        status, wait = self._admit(tokens)
        if status == 200:
            await asyncio.sleep(self.limits.latency * self._random.lognormvariate(0, self.limits.spread))
            await _respond(send, 200, _completion(tokens), self._headers())
        else:
            await _respond(send, 429, b'{"error":{"message":"slow down"}}', {"retry-after": f"{wait:.3f}"})

    def _admit(self, tokens: int) -> tuple[int, float]:
        now = time.monotonic()
        self._forget(now)
        fits = len(self._window) < self.limits.requests and self._tokens + tokens <= self.limits.tokens
        if fits:
            self._window.append((now, tokens))
            self._tokens += tokens
        self.calls.append(SeenCall(at=now, status=200 if fits else 429, tokens=tokens if fits else 0))
        wait = 0.0 if fits else self._window[0][0] + self.limits.window - now
        return (200 if fits else 429), wait

    def _forget(self, now: float) -> None:
        while self._window and self._window[0][0] <= now - self.limits.window:
            self._tokens -= self._window.popleft()[1]

    def _headers(self) -> dict[str, str]:
        self._forget(time.monotonic())
        minute = 60 / self.limits.window
        return {
            "x-ratelimit-limit-requests": str(round(self.limits.requests * minute)),
            "x-ratelimit-remaining-requests": str(round((self.limits.requests - len(self._window)) * minute)),
            "x-ratelimit-limit-tokens": str(round(self.limits.tokens * minute)),
            "x-ratelimit-remaining-tokens": str(round((self.limits.tokens - self._tokens) * minute)),
        }


def _characters(body: bytes) -> int:
    return sum(len(message["content"]) for message in json.loads(body)["messages"])


def _completion(tokens: int) -> bytes:
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": "limited-1",
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": _ANSWER}}
            ],
            "usage": {
                "prompt_tokens": tokens - OUTPUT_TOKENS,
                "completion_tokens": OUTPUT_TOKENS,
                "total_tokens": tokens,
            },
        }
    ).encode()


async def _body(receive: ASGIReceiveCallable) -> bytes:
    parts: list[bytes] = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message["body"])
        if not message["more_body"]:
            break
    return b"".join(parts)


async def _respond(send: ASGISendCallable, status: int, body: bytes, headers: dict[str, str]) -> None:
    named = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    await send(
        HTTPResponseStartEvent(
            type="http.response.start",
            status=status,
            headers=[(name.encode(), value.encode()) for name, value in named.items()],
        )
    )
    await send(HTTPResponseBodyEvent(type="http.response.body", body=body, more_body=False))
