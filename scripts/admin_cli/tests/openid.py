"""The certified OpenID Connect provider `oidc-provider`, run with Node, and the browser of its user."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
from filelock import FileLock

SOURCE: Final = Path(__file__).parent / "oidc"
INSTALLED: Final = Path(__file__).parents[3] / ".cache" / "oidc"
LOCK_FILE: Final = "package-lock.json"
INSTALL_SECONDS: Final = 300
NEEDED: Final = "needs Node.js 18 or later and npm (Debian: nodejs, npm)"
RESOURCE: Final = "urn:cj-assessment"
_FIELD: Final = re.compile(r'name="(xsrf|user_code)" value="([^"]*)"')
_ACTION: Final = re.compile(r'<form[^>]* action="([^"]+)"')


def is_available() -> bool:
    """Whether there is what the provider runs with."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


def _install() -> None:
    """Once a machine, in the versions that are locked; of several test processes one does it."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with FileLock(INSTALLED / ".lock"):
        wanted, done = (SOURCE / LOCK_FILE).read_text(), INSTALLED / "installed"
        if done.is_file() and done.read_text() == wanted:
            return
        for name in ("package.json", LOCK_FILE):
            shutil.copy(SOURCE / name, INSTALLED / name)
        subprocess.run(
            ["npm", "ci", "--prefix", INSTALLED, "--ignore-scripts", "--no-audit", "--no-fund"],
            check=True,
            capture_output=True,
            timeout=INSTALL_SECONDS,
        )
        done.write_text(wanted)


@contextmanager
def running_provider() -> Iterator[str]:
    """Run the provider until the context ends; yields its issuer."""
    _install()
    with subprocess.Popen(
        ["node", SOURCE / "provider.mjs", INSTALLED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port.isdecimal(), "the provider did not start"
        yield f"http://127.0.0.1:{port}"
        process.stdin.close()


def confirm(address: str, *, person: str) -> None:
    """Do in a browser what the provider asks: enter the code, log in, agree."""
    with httpx2.Client(follow_redirects=True, timeout=30) as browser:
        page = browser.get(address)
        page = _submitted(browser, page, {})
        page = _submitted(browser, page, {"confirm": "yes"})
        page = _submitted(browser, page, {"prompt": "login", "login": person, "password": "any"})
        page = _submitted(browser, page, {"prompt": "consent"})
        assert page.status_code == 200, page.text
        assert "success" in page.text.lower(), page.text


def decline(address: str) -> None:
    """Enter the code, and say no."""
    with httpx2.Client(follow_redirects=True, timeout=30) as browser:
        page = _submitted(browser, browser.get(address), {})
        _submitted(browser, page, {"abort": "yes"})


def _submitted(browser: httpx2.Client, page: httpx2.Response, values: dict[str, str]) -> httpx2.Response:
    action = _ACTION.search(page.text)
    assert action is not None, page.text
    fields = dict(_FIELD.findall(page.text))
    return browser.post(page.url.join(action.group(1)), data={**fields, **values})
