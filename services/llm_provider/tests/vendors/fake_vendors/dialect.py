"""How one vendor says things: the parts of its protocol that calls and batch jobs share."""

import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

from event_contracts import JsonObject
from llm_provider.domain.limits import LimitReading
from llm_provider.tests.vendors.fake_vendors.scenario import Answer, Failure, Received

_numbers = itertools.count(1)


class Dialect(Protocol):
    """One vendor's way of saying that a call is answered, or is not."""

    vendor: str

    def accepts(self, headers: Mapping[str, str]) -> bool:
        """True if the headers (names in lower case) hold the key, where this vendor wants it."""
        ...

    def objects(self, received: Received) -> bool:
        """True for a request that the vendor refuses whatever the scenario says."""
        ...

    def answer(self, received: Received, answer: Answer) -> JsonObject:
        """The body of an answer."""
        ...

    def error(self, received: Received, failure: Failure) -> JsonObject:
        """The body of a failure."""
        ...

    def headers(self, limits: tuple[LimitReading, ...]) -> dict[str, str]:
        """Headers that go with any answer."""
        ...


def new_id(prefix: str) -> str:
    """An id that no other object of this process has."""
    return f"{prefix}{next(_numbers):08d}"


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def quoting(received: Received) -> str:
    """A message that quotes the request, as vendors' messages do."""
    return f"cannot take this: {json.dumps(received.body, ensure_ascii=False)[:2_000]}"


def seconds(value: float) -> str:
    """A duration as OpenAI writes it."""
    minutes, rest = divmod(round(value, 3), 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{round(rest * 1000)}ms"


OPENAI_STATUS: Final = {
    400: ("invalid_request_error", "invalid_value"),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", "server_error"),
    503: ("server_error", "server_overloaded"),
}


def openai_error(received: Received, failure: Failure) -> JsonObject:
    """OpenAI's error body, which many have adopted."""
    kind, code = OPENAI_STATUS.get(failure.status, ("server_error", "server_error"))
    return {
        "error": {
            "message": quoting(received),
            "type": kind,
            "param": None,
            "code": failure.code or code,
        }
    }


def openai_limit_headers(limits: tuple[LimitReading, ...]) -> dict[str, str]:
    """OpenAI's rate limit headers."""
    headers = {"x-request-id": new_id("req_")}
    for reading in limits:
        name = reading.allowance.value
        if reading.limit is not None:
            headers[f"x-ratelimit-limit-{name}"] = str(reading.limit)
        if reading.remaining is not None:
            headers[f"x-ratelimit-remaining-{name}"] = str(reading.remaining)
        if reading.resets_in is not None:
            headers[f"x-ratelimit-reset-{name}"] = seconds(reading.resets_in.total_seconds())
    return headers
