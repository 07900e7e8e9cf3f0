"""What must be true before the embedded stack is started; each problem is one sentence that says what to do."""

import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from command_line.loopback import HOST
from event_contracts import ConfigurationError

from suite.embedded.errors import DataFolderUnusable
from suite.stack.options import Ports

MIN_FREE_BYTES: Final = 300_000_000
"""Free space that a new database takes, with its write-ahead log and some room for batches."""
MAX_PORT: Final = 65_535


def check_folder(data: Path) -> None:
    """Raise ``DataFolderUnusable`` for a path that cannot become the data folder; nothing is written."""
    if not str(data).isprintable():
        raise DataFolderUnusable(
            f"{str(data)!r} holds characters that cannot be printed: choose another --data"
        )
    for path in (data, *data.parents):
        if path.exists() and not path.is_dir():
            raise DataFolderUnusable(f"{path} is not a folder: choose another folder with --data")


def check_ports(ports: Ports) -> None:
    """Raise ``ConfigurationError`` unless there are such ports and they differ, with a line for each problem."""
    _raise(_number_problems(ports))


def check_machine(data: Path, ports: Ports, *, needed_bytes: int = MIN_FREE_BYTES) -> None:
    """Raise ``ConfigurationError`` unless the ports are free and the disk has room, with a line for each problem."""
    _raise([*_listening_problems(ports), *_space_problems(data, needed_bytes)])


def _raise(problems: Iterable[str]) -> None:
    message = "\n".join(problems)
    if message:
        raise ConfigurationError(message)


def _number_problems(ports: Ports) -> Iterator[str]:
    options: dict[int, str] = {}
    for option, port in ports.by_option():
        if not 0 < port <= MAX_PORT:
            yield f"there is no port {port}: choose one between 1 and {MAX_PORT} with {option}"
        elif port in options:
            yield f"{options[port]} and {option} are both {port}: give each service a port of its own"
        options.setdefault(port, option)


def _listening_problems(ports: Ports) -> Iterator[str]:
    for option, port in ports.by_option():
        try:
            socket.create_server((HOST, port)).close()
        except PermissionError:
            yield f"port {port} may not be used by this user: choose one above 1023 with {option}"
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            yield f"port {port} is not free ({reason}): stop what listens there, or choose another with {option}"


def _space_problems(data: Path, needed_bytes: int) -> Iterator[str]:
    free = shutil.disk_usage(data).free
    if free < needed_bytes:
        yield (
            f"{free // 1_000_000} MB are free where {data} is, and {needed_bytes // 1_000_000} are needed: make room,"
            " or choose another folder with --data"
        )
