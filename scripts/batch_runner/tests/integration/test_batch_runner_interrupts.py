"""Ctrl-C in a terminal, once or twice in quick succession, leaves a run that can be resumed, whenever it comes."""

import re
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

WAIT_TIMEOUT_SECONDS = 120
NOTHING_JUDGED = "interrupted before the batch was started: start it with --resume"
GOES_ON = "interrupted: the batch continues and is paid for; follow it with --resume"


@dataclass
class Held:
    """Answers as CJ Assessment does, but keeps one request waiting until it is released."""

    method: str
    path: str
    answering: Callable[[str, str], Answer]
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def __call__(self, method: str, path: str) -> Answer:
        if method == self.method and re.fullmatch(self.path, path.partition("?")[0]):
            self.reached.set()
            assert self.released.wait(WAIT_TIMEOUT_SECONDS)
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
    ("presses", "method", "path", "state", "said"),
    [
        pytest.param(1, "POST", "/v1/content", "judging", NOTHING_JUDGED, id="while uploading"),
        pytest.param(2, "POST", "/api/v1/assessments", "judging", NOTHING_JUDGED, id="while it is accepted"),
        pytest.param(2, "GET", "/api/v1/batches/[^/]+", "judging", GOES_ON, id="while it is judged"),
        pytest.param(1, "GET", "/api/v1/batches/.+/comparisons", "completed", GOES_ON, id="while collecting"),
    ],
)
def test_ctrl_c_ends_the_program_in_one_line_and_leaves_a_run_that_can_be_resumed(
    tmp_path: Path, presses: int, method: str, path: str, state: str, said: str
) -> None:
    held = Held(method, path, Assessing(AssessmentState(state)))

    with serving(held) as service, executing(tmp_path, service) as process:
        assert held.reached.wait(WAIT_TIMEOUT_SECONDS)
        process.send_signal(signal.SIGINT)
        for _ in range(presses - 1):
            time.sleep(0.02)
            process.send_signal(signal.SIGINT)
        held.released.set()
        out, errors = process.communicate(timeout=WAIT_TIMEOUT_SECONDS)

    assert (process.returncode, errors) == (130, "")
    assert out.splitlines()[-1].startswith(said)
    assert not [path for _, path in service.asked if path.endswith("/cancel")]
    run = Path(out.splitlines()[-1].partition("--resume ")[2].partition(",")[0])
    assert (run / "run.json").is_file()


def test_ctrl_c_while_the_program_loads_shows_no_traceback(tmp_path: Path) -> None:
    with serving(Assessing()) as service, executing(tmp_path, service) as process:
        maps = Path(f"/proc/{process.pid}/maps")
        deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
        while "pydantic_core" not in maps.read_text():  # it is loaded after the first lines of the program
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=WAIT_TIMEOUT_SECONDS)

    assert (process.returncode, out, errors) == (130, "", "")
