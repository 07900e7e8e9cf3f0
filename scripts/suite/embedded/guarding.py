"""Keeping a server within its owner's life: one owner to a folder, and no server outlives a killed owner."""

import fcntl
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from suite.embedded.errors import DataFolderInUse


@contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process; DataFolderInUse while another one does. A kill releases it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataFolderInUse(
                f"{folder} is in use by another process: stop that one, or choose another folder (--data)"
            ) from None
        yield


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock file ``path``, then hold it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def ended_if_we_are_killed(pid: int, number: signal.Signals) -> Iterator[None]:
    """Have process ``pid`` signalled when this process dies before the context ends, even by kill -9.

    A shell waits on a pipe that only this process holds open: it reads on when the kernel closes the pipe.
    """
    guard = subprocess.Popen(
        ["sh", "-c", 'read _; kill -"$1" "$2"', "guard", str(int(number)), str(pid)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield
    finally:
        guard.kill()
        guard.communicate()
