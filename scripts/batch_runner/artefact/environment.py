"""What the runner ran on, and which version of it."""

import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from batch_runner.artefact.assessment_run import CliEnvironment

DISTRIBUTION: Final = "comparative-judgement-suite"
UNKNOWN_REVISION: Final = "0" * 7
_COMMAND_TIMEOUT_SECONDS: Final = 10.0


def cli_environment() -> CliEnvironment:
    """Versions of Python, of the system, and of the tools that are installed."""
    return CliEnvironment(
        python=platform.python_version(),
        pdm=_said(["pdm", "--version"]),
        os=platform.platform(),
        docker_compose=_said(["docker", "compose", "version", "--short"]),
    )


def git_sha() -> str:
    """The commit of this checkout; seven zeros where there is none, as in an image without its history."""
    return _said(["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]) or UNKNOWN_REVISION


def runner_version() -> str:
    """The version of the suite."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


def _said(command: list[str]) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip()[:255] or None if ended.returncode == 0 else None
