"""An address that must not be shown a token: it keeps what it hears, and may answer with a redirection."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Listener:
    """The requests that came, each with its Authorization header."""

    port: int = 0
    location: str | None = None
    heard: list[tuple[str, str | None]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def listening(*, location: str | None = None) -> Iterator[Listener]:
    """Listen on loopback until the context ends."""
    listener = Listener(location=location)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listener.heard.append((self.path, self.headers.get("authorization")))
            self.send_response(404 if listener.location is None else 307)
            if listener.location is not None:
                self.send_header("location", f"{listener.location}{self.path}")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listener.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join()
