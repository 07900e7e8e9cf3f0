"""The repository's own files: actions pinned by commit, hashes in both locks, images that pass hadolint."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[4]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_and_say_their_version(path: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", path.read_text("utf-8"))

    assert used
    for action, comment in used:
        assert action.startswith("./") or (
            re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
            and re.fullmatch(r" # v\d+\.\d+\.\d+", comment)
        )


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_targets_that_there_are_and_may_read_only(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text("utf-8"))

    run = re.findall(r"run: make ([a-z -]+)", path.read_text("utf-8"))
    assert {target for targets in run for target in targets.split()} <= TARGETS
    assert workflow["permissions"] == {"contents": "read"}


def test_every_locked_package_has_its_hashes() -> None:
    lock = tomllib.loads((ROOT / "pdm.lock").read_text("utf-8"))
    documents = json.loads((ROOT / ".ci/documents/package-lock.json").read_text("utf-8"))

    bare = [
        package["name"] for package in lock["package"] if not package.get("files") and "path" not in package
    ]
    assert bare == []
    assert all(file["hash"].startswith("sha256:") for package in lock["package"] for file in package["files"])
    assert [name for name, one in documents["packages"].items() if name and "integrity" not in one] == []


def test_the_development_container_passes_hadolint() -> None:
    ended = subprocess.run(
        # Versions of a developer's tools are those of the distribution (DL3008).
        [Path(sys.executable).parent / "hadolint", "--ignore", "DL3008", ROOT / ".devcontainer/Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout
