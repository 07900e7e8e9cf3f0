"""Looks every installed dependency up in the advisories of the Python Package Index; what is accepted is listed.

Exit code 1, and the list, for advisories that nobody has reviewed, and for reviews whose time is over. Where the
advisories cannot be read, it says "not checked" and ends well: an outage of theirs stops nobody's work.
"""

import argparse
import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

PIP_AUDIT = "pip-audit==2.10.0"
ROOT = Path(__file__).parent.parent
TOOLS = ROOT / ".cache" / "pip-audit"
REVIEWED = ROOT / ".ci" / "audit-reviewed.toml"
TIMEOUT_SECONDS = 300


class NotChecked(Exception):
    """The advisories could not be read."""


@dataclass(frozen=True)
class Advisory:
    """A known weakness of a version that is installed."""

    name: str
    package: str
    version: str
    fixed_in: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    """Its other names: a review may use any of them."""

    def __str__(self) -> str:
        fix = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.package} {self.version}: {self.name}, {fix}"


def main() -> int:
    """Audit, report, and say by the exit code whether somebody has to look."""
    asked = _arguments().parse_args()
    today = datetime.now(UTC).date()
    reviewed = read_reviewed(asked.reviewed.read_text("utf-8"))
    try:
        found, count = advisories(audit(asked.packages, osv_url=asked.osv_url))
    except NotChecked as error:
        print(f"dependencies: not checked ({error})")
        return 0
    problems = complaints(found, reviewed, today=today)
    for problem in problems:
        print(f"dependencies: {problem}", file=sys.stderr)
    print(f"dependencies: {count} checked, {len(found)} advisories, {len(problems)} to be looked at")
    return 1 if problems else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, help="site-packages to audit instead of .venv's")
    parser.add_argument("--reviewed", type=Path, default=REVIEWED, help="accepted advisories")
    parser.add_argument("--osv-url", help="ask a service that speaks OSV's protocol instead of the index")
    return parser


def audit(packages: Path | None, *, osv_url: str | None) -> str:
    """The report of pip-audit, JSON; raises ``NotChecked``."""
    python = TOOLS / "bin" / "python"
    service = [] if osv_url is None else ["--vulnerability-service", "osv", "--osv-url", osv_url]
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(TOOLS)], check=True, capture_output=True)
        if not (TOOLS / PIP_AUDIT).exists():
            install = [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                PIP_AUDIT,
            ]
            subprocess.run(install, check=True, capture_output=True, timeout=TIMEOUT_SECONDS)
            (TOOLS / PIP_AUDIT).touch()
        site = packages or next((ROOT / ".venv" / "lib").glob("python3.*/site-packages"))
        command = [str(python), "-m", "pip_audit", "--path", str(site), "--format", "json", "--skip-editable"]
        ended = subprocess.run(
            [*command, "--progress-spinner", "off", *service],
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError, StopIteration) as error:
        raise NotChecked(f"pip-audit cannot be run: {type(error).__name__}") from error
    if not ended.stdout.strip():
        raise NotChecked((ended.stderr.strip().splitlines() or ["no report"])[-1][:200])
    return ended.stdout


def advisories(report: str) -> tuple[list[Advisory], int]:
    """The advisories of a report, and how many packages were looked up; raises ``NotChecked``."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotChecked("the report of pip-audit cannot be read") from error
    checked = [package for package in packages if "version" in package]
    if not checked:
        raise NotChecked("no package could be looked up")
    found = [
        Advisory(
            one["id"],
            package["name"],
            package["version"],
            tuple(one.get("fix_versions", ())),
            tuple(one.get("aliases", ())),
        )
        for package in checked
        for one in package.get("vulns", ())
    ]
    return found, len(checked)


def read_reviewed(text: str) -> dict[str, date]:
    """Accepted advisories and until when; each needs a reason."""
    entries = tomllib.loads(text).get("advisory", [])
    for entry in entries:
        if not entry.get("reason"):
            raise SystemExit(f"{REVIEWED.name}: {entry.get('id')} needs a reason")
    return {entry["id"]: entry["until"] for entry in entries}


def complaints(found: list[Advisory], reviewed: dict[str, date], *, today: date) -> list[str]:
    """What somebody has to look at."""
    problems = []
    for advisory in found:
        names = (advisory.name, *advisory.aliases)
        until = max((reviewed[name] for name in names if name in reviewed), default=None)
        if until is None:
            problems.append(f"{advisory}: upgrade, or add it to {REVIEWED.name} with a reason")
        elif until < today:
            problems.append(f"{advisory}: accepted until {until}, look at it again")
    return problems


if __name__ == "__main__":
    sys.exit(main())
