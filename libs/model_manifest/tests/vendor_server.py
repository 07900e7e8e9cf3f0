"""A server on loopback that lists models in each vendor's format, page by page and only for the right key."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from event_contracts import JsonObject, LLMProvider
from pydantic import JsonValue

KEY = "key-of-the-tests"
PAGE = 2

Query = Mapping[str, str]


@dataclass
class VendorServer:
    """What it lists; ``broken`` answers every request with that status instead."""

    address: str
    models: list[JsonObject] = field(default_factory=list)
    broken: int | None = None
    requests: int = 0

    def base_url(self, provider: LLMProvider) -> str:
        """Where the provider's API would be on this server."""
        return f"{self.address}{_PREFIXES[provider]}"


_PREFIXES = {
    LLMProvider.ANTHROPIC: "/anthropic",
    LLMProvider.OPENAI: "/openai/v1",
    LLMProvider.GOOGLE: "/google",
    LLMProvider.OPENROUTER: "/openrouter/api/v1",
}


def anthropic_model(
    model_id: str,
    *,
    lifecycle: str = "active",
    retires_at: str | None = None,
    max_input_tokens: int = 1_000_000,
    max_tokens: int = 128_000,
    efforts: Sequence[str] = ("low", "medium", "high", "xhigh", "max"),
    batch: bool = True,
) -> JsonObject:
    """An entry of Anthropic's list."""
    levels: JsonObject = {
        name: _supported(name in efforts) for name in ("low", "medium", "high", "xhigh", "max")
    }
    plain = ("citations", "code_execution", "image_input", "pdf_input", "structured_outputs")
    capabilities: JsonObject = {
        **{name: _supported(True) for name in plain},
        "batch": _supported(batch),
        "context_management": {"supported": True},
        "effort": {"supported": bool(efforts), **levels},
        "server_tools": {"supported": True},
        "thinking": {"supported": True},
    }
    return {
        "id": model_id,
        "type": "model",
        "display_name": model_id,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": lifecycle,
        "deprecated_at": None if lifecycle == "active" else "2026-06-01T00:00:00Z",
        "retires_at": retires_at,
        "line": None,
        "max_input_tokens": max_input_tokens,
        "max_tokens": max_tokens,
        "capabilities": capabilities,
    }


def openai_model(model_id: str, *, shutdown_date: str | None = None) -> JsonObject:
    """An entry of OpenAI's list."""
    return {
        "id": model_id,
        "object": "model",
        "created": 1_780_000_000,
        "owned_by": "openai",
        "shutdown_date": shutdown_date,
    }


def google_model(
    model_id: str, *, input_token_limit: int = 1_048_576, output_token_limit: int = 65_536
) -> JsonObject:
    """An entry of Google's list."""
    return {
        "name": f"models/{model_id}",
        "version": "001",
        "displayName": model_id,
        "inputTokenLimit": input_token_limit,
        "outputTokenLimit": output_token_limit,
        "supportedGenerationMethods": ["generateContent"],
        "thinking": True,
    }


def openrouter_model(
    model_id: str,
    *,
    context_length: int = 1_000_000,
    max_completion_tokens: int | None = 128_000,
    prompt: str = "0.0000001",
    completion: str = "0.0000005",
    expiration_date: str | None = None,
) -> JsonObject:
    """An entry of OpenRouter's list."""
    return {
        "id": model_id,
        "canonical_slug": f"{model_id}-20261007",
        "name": model_id,
        "created": 1_780_000_000,
        "context_length": context_length,
        "expiration_date": expiration_date,
        "pricing": {"prompt": prompt, "completion": completion},
        "top_provider": {"is_moderated": True, "max_completion_tokens": max_completion_tokens},
        "supported_parameters": ["reasoning", "structured_outputs"],
    }


@contextmanager
def vendor_server() -> Iterator[VendorServer]:
    """A server that runs until the block is left."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    state = VendorServer(address=f"http://127.0.0.1:{server.server_address[1]}")
    server.state = state  # type: ignore[attr-defined]  # the handler's only way to it
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        state: VendorServer = self.server.state  # type: ignore[attr-defined]  # set by vendor_server
        state.requests += 1
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if state.broken is not None:
            self._send(state.broken, {"error": {"message": "broken on purpose"}})
        elif self._key() != KEY:
            self._send(401, {"error": {"message": "no such key"}})
        else:
            self._send(200, _page(parts.path, query, state.models))

    def _key(self) -> str | None:
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return self.headers.get("x-api-key") or self.headers.get("x-goog-api-key") or bearer

    def _send(self, status: int, body: JsonObject) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's own signature
        """Nothing on stderr."""


def _page(path: str, query: Query, models: Sequence[JsonObject]) -> JsonObject:
    everything: list[JsonValue] = list(models)
    if path == "/anthropic/v1/models":
        return _after_id(query, models)
    if path == "/google/v1beta/models":
        return _by_token(query, everything)
    if path == "/openrouter/api/v1/models":
        return _by_offset(query, everything)
    return {"object": "list", "data": everything} if path == "/openai/v1/models" else {}


def _after_id(query: Query, models: Sequence[JsonObject]) -> JsonObject:
    ids = [str(model["id"]) for model in models]
    start = ids.index(query["after_id"]) + 1 if "after_id" in query else 0
    page = ids[start : start + PAGE]
    return {
        "data": list(models[start : start + PAGE]),
        "has_more": start + PAGE < len(ids),
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }


def _by_token(query: Query, models: Sequence[JsonValue]) -> JsonObject:
    start = int(query.get("pageToken", "0"))
    more = start + PAGE < len(models)
    page: JsonObject = {"models": list(models[start : start + PAGE])}
    return {**page, "nextPageToken": str(start + PAGE)} if more else page


def _by_offset(query: Query, models: Sequence[JsonValue]) -> JsonObject:
    start = int(query.get("offset", "0"))
    more = start + PAGE < len(models)
    following = f"/api/v1/models?offset={start + PAGE}" if more else None
    return {
        "data": list(models[start : start + PAGE]),
        "links": {"next": following},
        "total_count": len(models),
    }


def _supported(supported: bool) -> JsonObject:
    return {"supported": supported}
