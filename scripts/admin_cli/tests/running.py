"""Runs cj-admin as its users do: each command is a process of its own, forked from one that has loaded the program."""

import asyncio
import json
import multiprocessing
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import FileIO
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

WAIT_TIMEOUT_SECONDS = 120.0
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
_forking: ForkServerContext = multiprocessing.get_context("forkserver")
# httpcore2 is loaded by the first client; the others would load what the test process began with.
_forking.set_forkserver_preload(
    ["__main__", "admin_cli.cli", "admin_cli.anchors.reading", "admin_cli.tests.running", "httpcore2"]
)


@dataclass(frozen=True)
class Ended:
    """How a command has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed with ``--json``."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Program:
    """cj-admin on a person's machine: an environment, with a folder of its own for what it keeps."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        """Where its logins are kept."""
        return self.folder / "settings" / "sessions.json"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it runs with."""
        inherited = {name: os.environ[name] for name in _KEPT if name in os.environ}
        own = {"COLUMNS": "80", "CJ_ADMIN_TOKEN_PATH": str(self.cache), "XDG_CONFIG_HOME": str(self.folder)}
        return {**inherited, **own, **self.variables}

    def with_variables(self, **variables: str) -> "Program":
        """The same with more variables."""
        return Program(self.folder, {**self.variables, **variables})

    async def __call__(self, *arguments: str | Path) -> Ended:
        """Run a command to its end."""
        return await asyncio.to_thread(self.run, *arguments)

    def run(self, *arguments: str | Path) -> Ended:
        """The same for tests without an event loop."""
        with TemporaryDirectory() as place:
            out, err = Path(place, "out"), Path(place, "err")
            process = _forking.Process(
                target=_main, args=([str(one) for one in arguments], self.environment, self.folder, out, err)
            )
            process.start()
            process.join(WAIT_TIMEOUT_SECONDS)
            assert process.exitcode is not None, f"cj-admin {arguments} does not end"
            return Ended(process.exitcode, out.read_text(), err.read_text())

    def start(self, *arguments: str | Path) -> "subprocess.Popen[bytes]":
        """Start a command as a process that the test can end."""
        return subprocess.Popen(
            [sys.executable, "-m", "admin_cli.main", *map(str, arguments)],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def converse(self, *arguments: str | Path, answers: Mapping[str, str]) -> tuple[int, str]:
        """Run a command on a terminal, where each question gets its answer; its exit code, and all that was seen."""
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "admin_cli.main", *map(str, arguments)],
            env=self.environment,
            cwd=self.folder,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        seen, outstanding = "", dict(answers)
        timer = threading.Timer(WAIT_TIMEOUT_SECONDS, process.kill)
        timer.start()
        with os.fdopen(controller, "r+b", buffering=0) as screen:
            while piece := _read(screen):
                seen += piece.decode()
                for question in [one for one in outstanding if one in seen]:
                    screen.write(f"{outstanding.pop(question)}\n".encode())
        timer.cancel()
        return process.wait(WAIT_TIMEOUT_SECONDS), seen


def _read(screen: FileIO) -> bytes:
    try:
        return screen.read(4096)
    except OSError:  # what Linux says when the last process has left its terminal
        return b""


def _main(arguments: list[str], environment: dict[str, str], folder: Path, out: Path, err: Path) -> None:
    for stream, file in ((0, Path(os.devnull)), (1, out), (2, err)):
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(descriptor, stream)
        os.close(descriptor)
    for number, stream_name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        setattr(sys, stream_name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["cj-admin", *arguments]
    from admin_cli.main import main

    try:
        main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
