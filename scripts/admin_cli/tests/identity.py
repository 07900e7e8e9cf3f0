"""The platform's identity service as its clients meet it: login and refresh, and tokens without ``iat``."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

from service_kit.tests.tokens import signed_with_secret

EMAIL, PASSWORD = "admin@example.org", "a password with spaces and åäö"


@dataclass
class Identity:
    """What it knows and counts; a test may make it slow, or have it forget its refresh tokens."""

    port: int = 0
    lifetime: float = 3_600.0
    delay: float = 0.0
    logins: int = 0
    refreshes: int = 0
    valid: set[str] = field(default_factory=set)
    entered: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """What ``IDENTITY_BASE_URL`` is set to."""
        return f"http://127.0.0.1:{self.port}/v1/auth"

    def answer(self, path: str, body: Mapping[str, str]) -> tuple[int, dict[str, object]]:
        """As the service does: a refresh brings no refresh token, the old one stays."""
        if path == "/v1/auth/login" and (body.get("email"), body.get("password")) == (EMAIL, PASSWORD):
            refresh_token = f"refresh-{uuid4()}"
            with self.lock:
                self.logins += 1
                self.valid.add(refresh_token)
            return 200, {**self._access(), "refresh_token": refresh_token}
        if path == "/v1/auth/refresh":
            with self.lock:
                self.refreshes += 1
            self.entered.set()
            time.sleep(self.delay)
            if body.get("refresh_token") in self.valid:
                return 200, {**self._access(), "token_type": "bearer"}
        return 401, {"error": {"error_code": "AUTHENTICATION_ERROR", "message": "no"}}

    def _access(self) -> dict[str, object]:
        # sub, org, roles, exp, iss and aud, and no iat; ``jti`` makes each token another one.
        token = signed_with_secret(iat=None, jti=str(uuid4()), sub=EMAIL)
        return {"access_token": token, "expires_in": self.lifetime}


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A program that was stopped does not read its answer: that is not an error of the test."""


@contextmanager
def running_identity() -> Iterator[Identity]:
    """Serve on loopback until the context ends."""
    identity = Identity()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, said = identity.answer(self.path, body)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        identity.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield identity
        finally:
            server.shutdown()
            thread.join()
