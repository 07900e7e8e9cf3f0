"""Malformed input for the routes of every service: what is sent, and the documented answer that it must get."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from event_contracts import ErrorBody, ErrorDetail

JSON: Final = {"content-type": "application/json"}
MAX_ERROR_BYTES: Final = 20_000
DEEP: Final = "@deep@"
"""Stands for 198 nested lists, which `json.dumps` writes but parsers in Python do not all read."""

STRANGE_IDS: Final = {
    "NUL": "a%00b",
    "300 characters": "x" * 300,
    "2,700 characters": "x" * 2_700,
    "line end": "a%0Ab",
    "direction mark": "a%E2%80%AEb",
    "broken UTF-8": "a%FF%FEb",
}
"""Segments of a path that no id can be."""


@dataclass(frozen=True, kw_only=True)
class Malformed:
    """One request and what it must be answered with."""

    what: str
    method: str = "POST"
    path: str
    body: Any = None
    headers: Mapping[str, str | bytes] = field(default_factory=dict)
    status: int | tuple[int, ...] = 422
    code: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path[:40]}: {self.what}"

    def content(self) -> bytes | None:
        """The bytes that are sent."""
        if self.body is None or isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body).encode().replace(f'"{DEEP}"'.encode(), b"[" * 198 + b"]" * 198)

    def send(self, client: httpx2.Client) -> httpx2.Response:
        """Send it."""
        has_json = self.body is not None and not isinstance(self.body, bytes)
        given = {**(JSON if has_json else {}), **self.headers}
        headers = [(name.encode(), _as_bytes(value)) for name, value in given.items()]
        return client.request(self.method, self.path, content=self.content(), headers=headers)


def _as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def changed(body: Mapping[str, Any], place: str, value: Any) -> dict[str, Any]:
    """A copy of a JSON body with another value at a dotted place."""
    copy: dict[str, Any] = json.loads(json.dumps(body))
    *steps, last = place.split(".")
    found: Any = copy
    for step in steps:
        found = found[int(step) if step.isdigit() else step]
    found[last] = value
    return copy


def assert_documented(case: Malformed, answer: httpx2.Response) -> ErrorDetail:
    """The error that the answer carries; fails unless it is the documented one and repeats nothing of the input."""
    allowed = case.status if isinstance(case.status, tuple) else (case.status,)
    assert answer.status_code in allowed, f"{case}: {answer.status_code} {answer.text[:500]}"
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.content) < MAX_ERROR_BYTES, f"{case}: {len(answer.content)} bytes"
    error = ErrorBody.model_validate_json(answer.content).error
    assert case.code is None or error.error_code == case.code, f"{case}: {error.error_code} {error.message}"
    return error
