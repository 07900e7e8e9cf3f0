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
WEAK: Final[dict[str, Any]] = {
    "schema_version": "1.6.0",
    "id": "GHSA-made-up-0001",
    "aliases": ["CVE-2026-00001"],
    "summary": "A made-up weakness.",
    "affected": [
        {
            "package": {"name": "weak-package", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}
ACCEPTED: Final = """
[[advisory]]
id = "{name}"
reason = "of a test"
until = {until}
"""


@contextmanager
def advisories(status: int = 200) -> Iterator[str]:
    """A service that knows of one weakness, or answers with an error; yields its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            known = [WEAK] if asked["package"]["name"] == "weak-package" else []
            body = json.dumps({"vulns": known} if known else {}).encode()
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
    """Two installed packages."""
    for name, version in (("weak-package", "1.0"), ("sound-package", "2.0")):
        folder = tmp_path / "site" / f"{name.replace('-', '_')}-{version}.dist-info"
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


def test_an_advisory_that_nobody_has_accepted_fails_with_the_list(packages: Path) -> None:
    with advisories() as url:
        ended = audit(packages, url)

    assert ended.returncode == 1
    assert "weak-package 1.0: " in ended.stderr
    assert "fixed in 1.1" in ended.stderr
    assert "2 checked, 1 advisories, 1 to be looked at" in ended.stdout


@pytest.mark.parametrize("name", ["GHSA-made-up-0001", "CVE-2026-00001"])
def test_an_accepted_advisory_passes_by_any_of_its_names(packages: Path, name: str) -> None:
    with advisories() as url:
        ended = audit(packages, url, ACCEPTED.format(name=name, until="2999-01-31"))

    assert ended.returncode == 0, ended.stderr
    assert "1 advisories, 0 to be looked at" in ended.stdout


def test_an_accepted_advisory_fails_again_after_its_date(packages: Path) -> None:
    with advisories() as url:
        ended = audit(packages, url, ACCEPTED.format(name="CVE-2026-00001", until="2026-01-31"))

    assert ended.returncode == 1
    assert "accepted until 2026-01-31, look at it again" in ended.stderr


@pytest.mark.parametrize("status", [500, None])
def test_where_the_advisories_are_out_of_reach_nothing_is_said_to_be_checked(
    packages: Path, status: int | None
) -> None:
    with advisories(status or 200) as url:
        ended = audit(packages, url if status else "http://127.0.0.1:1/v1/query")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("dependencies: not checked (")
