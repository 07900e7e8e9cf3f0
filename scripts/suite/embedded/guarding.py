"""Ties a server's life to its owner's: one owner per folder, and no server outlives an owner that is killed."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from suite.embedded.errors import DataFolderInUse, DataFolderUnusable


@contextmanager
def exclusive_folder_lock(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process; a kill releases it. The lock file next to it names the process that holds it.

    Raises DataFolderInUse while another process holds it, and DataFolderUnusable where no lock file can be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(folder.name + ".lock").open("a+")
    except OSError as error:
        raise DataFolderUnusable(
            f"{folder.parent} cannot be written ({error.strerror}): choose another folder with --data"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise DataFolderInUse(
                f"{folder.parent} is in use by process {lock.read().strip() or 'unknown'}: stop that one, or choose"
                " another folder with --data"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock file ``path``, then hold it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def kill_on_parent_death(pid: int, number: signal.Signals) -> Iterator[None]:
    """Send ``number`` to process ``pid`` when this process dies before the context ends, even by SIGKILL.

    A shell waits on a pipe that only this process holds open: its read ends when the kernel closes the pipe.
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
