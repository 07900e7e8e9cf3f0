"""A real Chromium, driven over the WebDriver protocol by Debian's ``chromium-driver``."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

WAIT_TIMEOUT_SECONDS = 120.0
OPTIONS = {"args": ["--headless", "--no-sandbox", "--disable-gpu"]}


def installed() -> bool:
    """Whether there are both the browser and its driver."""
    return shutil.which("chromedriver") is not None and shutil.which("chromium") is not None


@dataclass(frozen=True)
class Browser:
    """One session."""

    http: httpx2.Client
    session: str

    def ask(self, verb: str, path: str, body: object | None = None) -> Any:
        """A command of the protocol; raises for what the driver refuses."""
        answer = self.http.request(verb, f"/session/{self.session}{path}", json=body)
        answer.raise_for_status()
        return answer.json()["value"]

    def protocol(self, command: str, **parameters: object) -> Any:
        """A command of Chromium's own protocol."""
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def show(self, page: Path, *, width: int = 1200, dark: bool = False) -> None:
        """Load a page at this width and in this theme; ends when it is loaded."""
        mobile = width < 500
        self.protocol(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=mobile
        )
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.protocol("Emulation.setEmulatedMedia", features=[theme])
        self.ask("POST", "/url", {"url": page.as_uri()})

    def run(self, script: str) -> Any:
        """What a script returns."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": []})

    def press(self, *keys: str) -> None:
        """Keys pressed one after another, where the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def complaints(self) -> list[str]:
        """What the console has said since the last time."""
        return [entry["message"] for entry in self.ask("POST", "/se/log", {"type": "browser"})]


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the driver and a session; both end with the context."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_TIMEOUT_SECONDS) as http:
            _wait_until_ready(http)
            wanted = {"goog:chromeOptions": OPTIONS, "goog:loggingPrefs": {"browser": "ALL"}}
            made = http.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
            made.raise_for_status()
            session = Browser(http, made.json()["value"]["sessionId"])
            yield session
            session.ask("DELETE", "")
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(http: httpx2.Client) -> None:
    until = time.monotonic() + WAIT_TIMEOUT_SECONDS
    while True:
        try:
            if http.get("/status").json()["value"]["ready"]:
                return
        except httpx2.TransportError:
            if time.monotonic() > until:
                raise
        time.sleep(0.05)
