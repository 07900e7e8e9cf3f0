"""The process of the embedded PostgreSQL: started, watched, started again when it dies, and stopped."""

import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import structlog
from service_kit.work.back_off import BackOff

from suite.embedded.errors import EmbeddedServerError, PostgresNotStarted
from suite.embedded.guarding import kill_on_parent_death
from suite.embedded.postgres_folder import STOP_TIMEOUT_SECONDS, DataFolder

log = structlog.get_logger()

START_TIMEOUT_SECONDS: Final = 60
RESTART_TIMEOUT_SECONDS: Final = 60
"""How long starts are tried after a death: backends of the dead server, or a full disk, may be in the way."""
RESTART: Final = BackOff(first_seconds=0.1, longest_seconds=5.0)
MAX_DEATHS: Final = 5
DEATHS_WINDOW_SECONDS: Final = 60
ABORT_TIMEOUT_SECONDS: Final = 10
MAX_LOG_BYTES: Final = 10_000_000
"""A longer log is put aside, as ``log.1``, before the server is started."""

OnFailure = Callable[[EmbeddedServerError], None]
"""Called, in another thread, when the server has died and cannot be started again."""


class PostgresProcess:
    """A server that is started again whenever it dies; a thread waits for its end, so that nothing is polled."""

    def __init__(
        self,
        folder: DataFolder,
        *,
        sockets: Path,
        settings: Mapping[str, str],
        ended_with_us: bool,
        on_failure: OnFailure | None,
    ) -> None:
        self._folder = folder
        self._command = _command(folder, sockets=sockets, settings=settings)
        self._ended_with_us = ended_with_us
        self._on_failure = on_failure
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._guard = ExitStack()
        self._deaths: deque[float] = deque(maxlen=MAX_DEATHS)
        self._process: subprocess.Popen[bytes] | None = None
        self._watching = threading.Thread(target=self._watch, name="postgres", daemon=True)

    def start(self) -> None:
        """Start the server and wait until it accepts connections; raises PostgresNotStarted."""
        self._start()
        self._watching.start()

    def stop(self) -> None:
        """End the server: its sessions are closed and everything is written; returns when it has ended."""
        self._stopping.set()
        with self._starting:
            process = self._process
        if process is not None:
            _end(process)
        if self._watching.is_alive():
            self._watching.join()
        self._guard.close()

    def _watch(self) -> None:
        while self._process is not None:
            code = self._process.wait()
            self._guard.close()
            if self._stopping.is_set():
                return
            log.warning("postgres.died", exit_code=code)
            try:
                self._start_again()
            except EmbeddedServerError as error:
                log.error("postgres.restart_failed", reason=error.message)
                if self._on_failure is not None:
                    self._on_failure(error)
                return

    def _start_again(self) -> None:
        now = time.monotonic()
        self._deaths.append(now)
        if len(self._deaths) == MAX_DEATHS and now - self._deaths[0] < DEATHS_WINDOW_SECONDS:
            raise PostgresNotStarted(
                f"PostgreSQL died {MAX_DEATHS} times within {DEATHS_WINDOW_SECONDS} s: see {self._folder.log}"
            )
        failures = 0
        while not self._stopping.is_set():
            try:
                self._start()
            except PostgresNotStarted:
                if time.monotonic() - now > RESTART_TIMEOUT_SECONDS:
                    raise
                failures += 1
                self._stopping.wait(RESTART.seconds(failures=failures))
            else:
                log.info("postgres.restarted", seconds=round(time.monotonic() - now, 2))
                return

    def _start(self) -> None:
        with self._starting:
            if self._stopping.is_set():
                return
            self._process = process = _launch(self._folder, self._command)
        if self._ended_with_us:
            self._guard.enter_context(kill_on_parent_death(process.pid, signal.SIGQUIT))
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._folder.is_ready(process.pid):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                self._guard.close()
                if self._stopping.is_set():
                    return
                raise PostgresNotStarted(
                    "\n".join(["PostgreSQL did not start:", *_last_lines(self._folder.log)])
                )
            time.sleep(0.02)


def _command(folder: DataFolder, *, sockets: Path, settings: Mapping[str, str]) -> list[str]:
    values = {**settings, "unix_socket_directories": f'"{sockets}"'}
    options = [part for key, value in values.items() for part in ("-c", f"{key}={value}")]
    return [str(folder.programs / "postgres"), "-D", str(folder.path), *options]


def _launch(folder: DataFolder, command: list[str]) -> "subprocess.Popen[bytes]":
    """Start the server in its own session: Ctrl-C in a terminal must not reach it before its clients are done."""
    try:
        if folder.log.exists() and folder.log.stat().st_size > MAX_LOG_BYTES:
            folder.log.replace(folder.log.with_name("log.1"))
        with folder.log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=folder.path,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=folder.user,
            )
    except OSError as error:
        raise PostgresNotStarted(f"PostgreSQL could not be started on {folder.path}: {error}") from error


def _end(process: "subprocess.Popen[bytes]") -> None:
    timeouts = {
        signal.SIGINT: STOP_TIMEOUT_SECONDS,
        signal.SIGQUIT: ABORT_TIMEOUT_SECONDS,
        signal.SIGKILL: None,
    }
    for number, seconds in timeouts.items():
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def _last_lines(path: Path) -> list[str]:
    return path.read_text("utf-8", errors="replace").splitlines()[-5:] if path.exists() else []
