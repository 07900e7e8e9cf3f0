"""What a new user sees first: the demo ends with a graded ranking, every time, and stops on a signal."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

pytestmark = pytest.mark.slow

DEMO = [sys.executable, "-m", "suite.main", "demo"]
WAIT_TIMEOUT_SECONDS = 600


def demo(data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=WAIT_TIMEOUT_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """Not pytest's own folder, which every run of pytest closes to other users: PostgreSQL may run as one."""
    with TemporaryDirectory(prefix="cj-demo-") as folder:
        yield Path(folder) / "data"


@pytest.fixture(scope="module")
def two_runs(data: Path) -> list[subprocess.CompletedProcess[str]]:
    return [demo(data), demo(data)]


def test_the_demo_ends_with_the_ranking_the_totals_and_the_runs_files_twice(
    two_runs: list[subprocess.CompletedProcess[str]],
) -> None:
    for run in two_runs:
        assert run.returncode == 0, run.stderr
        assert re.search(r"rank\s+essay\s+grade\s+P\(grade\)\s+score ± error", run.stdout)
        assert re.search(r"24 essays and 12 anchors, \d+ comparisons, reliability 0\.9", run.stdout)
        files = re.findall(r"^\S+\.(?:json|csv|log)$", run.stdout, re.MULTILINE)
        assert {Path(name).name for name in files} >= {
            "assessment_run.execute.json",
            "essays.csv",
            "comparisons.csv",
            "manifest.json",
        }
        assert all(Path(name).is_file() for name in files)


def test_the_same_essays_judged_again_are_ranked_the_same(
    two_runs: list[subprocess.CompletedProcess[str]], data: Path
) -> None:
    tables = [path.read_text("utf-8") for path in (data / "runs").glob("*/essays.csv")]

    assert len(tables) == len(two_runs) == 2
    assert tables[0] == tables[1]


def test_an_interrupt_stops_everything_that_was_started(data: Path) -> None:
    other = data.with_name("interrupted")
    process = subprocess.Popen([*DEMO, "--data", str(other)], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
    log = other / "demo.log"
    while time.monotonic() < deadline and not (log.exists() and "batch.decided" in log.read_text("utf-8")):
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=WAIT_TIMEOUT_SECONDS)

    assert process.returncode == 130
    assert output.rstrip().endswith("stopped")
    assert not any(child.is_running() for child in children)
