"""A real HTTP server on loopback that stands in for CJ Assessment and answers as a test says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from batch_runner.tests.building import BATCH, JOB, comparison, result, status
from event_contracts import (
    AnchorView,
    AssessmentAccepted,
    AssessmentState,
    BatchResultsView,
    ComparisonPage,
    ContentStored,
    Winner,
    WireModel,
)


@dataclass(frozen=True)
class Answer:
    """What the server says."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


Answering = Callable[[str, str], Answer]
"""What to answer to a method and a path."""


def with_model(code: int, model: WireModel) -> Answer:
    """An answer of the contract."""
    return Answer(code, model.model_dump_json().encode())


@dataclass
class StubService:
    """The server: its address, and what it was asked."""

    url: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)

    def times(self, method: str, path: str) -> int:
        """How often this was asked."""
        return self.asked.count((method, path))


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is interrupted hangs up: no reason to print anything."""


@contextmanager
def serving(answering: Answering) -> Iterator[StubService]:
    """Serve on a free port until the context ends."""
    service = StubService("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            service.asked.append((self.command, self.path))
            if self.command == "GET" and self.path.startswith("/api/v1/batches/"):
                service.started.set()
            answer = answering(self.command, self.path)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = _handle  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
            """The test's output stays readable."""

    server = _Server(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Assessing:
    """Answers as CJ Assessment does for a batch of a and b that is in this state."""

    state: AssessmentState = AssessmentState.COMPLETED
    error: str | None = None

    def __call__(self, method: str, path: str) -> Answer:
        """The answer of the contract."""
        match method, path.partition("?")[0]:
            case "GET", "/readyz":
                return Answer(200, b"{}")
            case "POST", "/v1/content":
                return with_model(201, ContentStored(storage_id="text-1"))
            case "POST", "/api/v1/anchors/register":
                return with_model(201, _anchor())
            case "POST", "/api/v1/assessments":
                return with_model(202, AssessmentAccepted(batch_id=BATCH, cj_assessment_job_id=JOB))
            case "POST", route if route.endswith("/cancel"):
                return with_model(202, AssessmentAccepted(batch_id=BATCH, cj_assessment_job_id=JOB))
            case "GET", route if route.endswith("/results"):
                return with_model(200, self._results())
            case "GET", route if route.endswith("/comparisons"):
                return with_model(200, _page(second="cursor=" in path))
            case _:
                return with_model(200, status(self.state, error=self.error))

    def _results(self) -> BatchResultsView:
        return BatchResultsView(
            batch_id=BATCH, cj_assessment_job_id=JOB, state=self.state, result=result(["a", "b"])
        )


def _page(*, second: bool) -> ComparisonPage:
    """Two pages of one comparison each."""
    row = comparison(2, "b", "a", Winner.ESSAY_B) if second else comparison(1, "a", "b", Winner.ESSAY_A)
    return ComparisonPage(batch_id=BATCH, total=2, items=(row,), next_cursor=None if second else "next")


def _anchor() -> AnchorView:
    return AnchorView(
        anchor_id=1,
        assignment_id="task-1",
        anchor_label="A1",
        grade="A",
        grade_scale="swedish_8_anchor",
        storage_id="text-1",
        text_storage_id="text-1",
        created_at=status().created_at,
    )
