"""`make audit` fails for advisories that have not been accepted, and for nothing else: on pip-audit and real HTTP."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[4]
AUDIT: Final = ROOT / ".ci" / "audit.py"
WEAK: Final = ("weak", "weaker", "weakest")
"""Packages with a weakness each; its number is also that of its other name."""
ACCEPTED: Final = """
[[advisory]]
id = "{name}"
reason = "of a test"
until = {until}
"""


def weakness(package: str) -> dict[str, Any]:
    number = WEAK.index(package)
    versions = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}
    return {
        "schema_version": "1.6.0",
        "id": f"GHSA-made-up-{number}",
        "aliases": [f"CVE-2026-{number}"],
        "summary": "A made-up weakness.",
        "affected": [{"package": {"name": package, "ecosystem": "PyPI"}, "ranges": [versions]}],
    }


@contextmanager
def advisories(status: int = 200) -> Iterator[str]:
    """A service that knows of the weaknesses, or answers with an error; yields its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            name = asked["package"]["name"]
            body = json.dumps({"vulns": [weakness(name)]} if name in WEAK else {}).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Installed packages: one without a weakness, three with one each."""
    for name, version in (("sound", "2.0"), *((weak, "1.0") for weak in WEAK)):
        folder = tmp_path / "site" / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return tmp_path / "site"


def audit(packages: Path, url: str, reviewed: str = "") -> subprocess.CompletedProcess[str]:
    accepted = packages.parent / "reviewed.toml"
    accepted.write_text(reviewed)
    command = [sys.executable, str(AUDIT), "--packages", str(packages), "--reviewed", str(accepted)]
    ended = subprocess.run(
        [*command, "--osv-url", url], check=False, capture_output=True, text=True, timeout=600
    )
    if "pip-audit cannot be run" in ended.stdout:
        pytest.skip("pip-audit cannot be installed here: the package index is out of reach")
    return ended


def accepted(*until: str, names: tuple[str, ...]) -> str:
    return "".join(ACCEPTED.format(name=name, until=day) for name, day in zip(names, until, strict=True))


def test_advisories_that_nobody_has_accepted_and_those_accepted_until_yesterday_fail_with_the_list(
    packages: Path,
) -> None:
    reviewed = accepted("2999-01-31", "2026-01-31", names=("GHSA-made-up-0", "CVE-2026-1"))

    with advisories() as url:
        ended = audit(packages, url, reviewed)

    assert ended.returncode == 1
    unheeded, late = sorted(ended.stderr.splitlines(), key=lambda line: "accepted until" in line)
    assert "weakest 1.0: " in unheeded
    assert "fixed in 1.1" in unheeded
    assert "weaker 1.0: " in late
    assert "accepted until 2026-01-31, look at it again" in late
    assert "4 checked, 3 advisories, 2 to be looked at" in ended.stdout


def test_accepted_advisories_pass_by_any_of_their_names(packages: Path) -> None:
    reviewed = accepted(*["2999-01-31"] * 3, names=("GHSA-made-up-0", "CVE-2026-1", "GHSA-made-up-2"))

    with advisories() as url:
        ended = audit(packages, url, reviewed)

    assert ended.returncode == 0, ended.stderr
    assert "3 advisories, 0 to be looked at" in ended.stdout


@pytest.mark.parametrize("status", [500, None])
def test_where_the_advisories_are_out_of_reach_nothing_is_said_to_be_checked(
    packages: Path, status: int | None
) -> None:
    with advisories(status or 200) as url:
        ended = audit(packages, url if status else "http://127.0.0.1:1/v1/query")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("dependencies: not checked (")
