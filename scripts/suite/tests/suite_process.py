"""``cj-suite up`` as a process of its own, as a user runs it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
from suite.stack.options import Addresses, Ports

WAIT_TIMEOUT_SECONDS = 600


def wait_until(holds: Callable[[], bool], *, what: str) -> None:
    """Return as soon as ``holds()`` is true; fail after far longer than a loaded machine takes."""
    deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not in {WAIT_TIMEOUT_SECONDS} s: {what}"
        time.sleep(0.1)


@dataclass(frozen=True, kw_only=True)
class SuiteProcess:
    """The process, and the folder that its database and its output are in."""

    process: "subprocess.Popen[bytes]"
    data: Path
    addresses: Addresses

    @property
    def output(self) -> str:
        """What it has printed so far, errors included."""
        return (self.data.parent / "output").read_text("utf-8")

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return (self.data / "suite.log").read_text("utf-8")

    @property
    def postgres_pid(self) -> int | None:
        """The pid that the newest PostgreSQL has recorded."""
        try:
            return int((self.data / "postgres" / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def family(self) -> list[psutil.Process]:
        """The process and everything that it has started."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def is_ready(self) -> bool:
        """Whether all three services say that they are ready."""
        assert self.process.poll() is None, self.output
        urls = (self.addresses.batch_conductor, self.addresses.llm_provider, self.addresses.cj_assessment)
        try:
            # Not over TLS: reading all certificates takes longer than the three answers.
            with httpx2.Client(timeout=10, verify=False) as http:
                return all(http.get(f"{url}/readyz").is_success for url in urls)
        except httpx2.HTTPError:
            return False

    def end(self, number: signal.Signals) -> int:
        """Send a signal; returns the exit code once everything that was started has ended."""
        family = self.family()
        self.process.send_signal(number)
        code = self.process.wait(WAIT_TIMEOUT_SECONDS)
        wait_until(lambda: not any(map(_runs, family)), what="everything that the suite started has ended")
        return code


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def suite_process(
    data: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[SuiteProcess]:
    """Run ``cj-suite up`` on free ports until the context ends; it need not be ready yet."""
    ports = Ports.free()
    data.parent.mkdir(parents=True, exist_ok=True)
    chosen = [part for option, port in ports.by_option() for part in (option, str(port))]
    with (data.parent / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "suite.main", "up", "--data", str(data), *chosen, *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            # Under nohup it would inherit that this signal is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
    suite = SuiteProcess(process=process, data=data, addresses=Addresses.of(ports))
    try:
        yield suite
    finally:
        if process.poll() is None:
            suite.end(signal.SIGTERM)
