"""Ctrl-C in a terminal, once or twice in quick succession, ends the batch that it began, whenever it comes."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from batch_runner.tests.building import BATCH, folder_of
from batch_runner.tests.stub_service import Answer, Assessing, StubService, serving
from event_contracts import AssessmentState

PATIENCE_SECONDS = 120
CANCEL = f"/api/v1/batches/{BATCH}/cancel"
NOTHING_JUDGED = "interrupted before the batch was started: nothing is judged\n"
CANCELLED = f"cancelled {BATCH}: nothing more is judged\n"
KEPT = f"interrupted after {BATCH} had ended: run it again with --batch-id {BATCH} to collect its results\n"


@dataclass
class Held:
    """Answers as CJ Assessment does, but keeps one request waiting until it is released."""

    method: str
    path: str
    answering: Callable[[str, str], Answer]
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def __call__(self, method: str, path: str) -> Answer:
        if (method, path.partition("?")[0]) == (self.method, self.path):
            self.reached.set()
            assert self.released.wait(PATIENCE_SECONDS)
        return self.answering(method, path)


@contextmanager
def executing(folder: Path, service: StubService) -> Iterator["subprocess.Popen[str]"]:
    essays = folder_of(folder / "essays", {"a.txt": "The text of a.", "b.txt": "The text of b."})
    options = ["--url", service.url, "--batch-id", BATCH, "--out", str(folder / "runs")]
    process = subprocess.Popen(
        [sys.executable, "-m", "batch_runner.main", "execute", str(essays), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("presses", "method", "path", "state", "said", "cancels"),
    [
        pytest.param(1, "POST", "/v1/content", "judging", NOTHING_JUDGED, 0, id="while uploading"),
        pytest.param(2, "POST", "/api/v1/assessments", "judging", CANCELLED, 1, id="while it is accepted"),
        pytest.param(2, "GET", f"/api/v1/batches/{BATCH}", "judging", CANCELLED, 1, id="while it is judged"),
        pytest.param(
            1, "GET", f"/api/v1/batches/{BATCH}/comparisons", "completed", KEPT, 0, id="while collecting"
        ),
    ],
)
def test_ctrl_c_ends_the_run_in_one_line_and_cancels_what_it_began(
    tmp_path: Path, presses: int, method: str, path: str, state: str, said: str, cancels: int
) -> None:
    held = Held(method, path, Assessing(AssessmentState(state)))

    with serving(held) as service, executing(tmp_path, service) as process:
        assert held.reached.wait(PATIENCE_SECONDS)
        process.send_signal(signal.SIGINT)
        for _ in range(presses - 1):
            time.sleep(0.02)
            process.send_signal(signal.SIGINT)
        held.released.set()
        out, errors = process.communicate(timeout=PATIENCE_SECONDS)
        asked = service.times("POST", CANCEL)

    assert (process.returncode, errors) == (130, "")
    assert out.endswith(said)
    assert asked == cancels
    assert not (tmp_path / "runs").exists()


def test_ctrl_c_while_the_program_loads_is_no_traceback(tmp_path: Path) -> None:
    with serving(Assessing()) as service, executing(tmp_path, service) as process:
        maps = Path(f"/proc/{process.pid}/maps")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "pydantic_core" not in maps.read_text():  # it is loaded after the first lines of the program
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, out, errors) == (130, "", "")


def test_a_later_ctrl_c_gives_up_a_cancellation_that_is_not_answered(tmp_path: Path) -> None:
    held = Held("POST", CANCEL, Assessing(AssessmentState.JUDGING))

    with serving(held) as service, executing(tmp_path, service) as process:
        assert service.started.wait(PATIENCE_SECONDS)
        process.send_signal(signal.SIGINT)
        assert held.reached.wait(PATIENCE_SECONDS)
        while process.poll() is None:  # the first second's are taken for the same one
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        held.released.set()
        out, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 130
    assert errors.startswith(f"{BATCH} could not be cancelled and may still be judged")
    assert errors.count("\n") == 1
    assert "cancelled batch" not in out
