"""Why a judge is not called, as a runner says it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from batch_runner.wire.judges_state import why_not_called

HELD = "2026-11-27T10:42:00+00:00"


@contextmanager
def llm_provider(*providers: dict[str, object]) -> Iterator[str]:
    """A service that answers with these providers."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"providers": providers}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def provider(name: str, state: str, message: str, **more: object) -> dict[str, object]:
    return {
        "provider": name, "configured": True, "enabled": True, "state": state, "message": message, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (provider("openai", "ready", "called as fast as its limits allow"), None),
        (provider("openai", "failing", "gpt: the key is wrong"), "openai: gpt: the key is wrong"),
        (
            provider("openai", "rate_limited", "x", models=[{"model": "gpt", "held_until": HELD}]),
            "openai: rate limit until 10:42",
        ),
        (provider("google", "failing", "away"), None),
    ],
)
async def test_a_run_says_what_keeps_its_judge_from_being_called(
    known: dict[str, object], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    with llm_provider(known) as url:
        assert await why_not_called(url, providers={"openai"}, role="runner") == said


async def test_an_unavailable_llm_provider_gives_no_reason() -> None:
    assert await why_not_called("http://127.0.0.1:9", providers=(), role="runner") is None
