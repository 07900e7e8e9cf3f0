"""The repository's own files: pinned actions, hashes in both locks, images that pass hadolint, complete READMEs."""

import json
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[4]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PACKAGES = sorted(path.parent for part in ("libs", "scripts") for path in (ROOT / part).glob("*/README.md"))
NAME_OF_PACKAGE = re.compile(r"[a-z0-9][a-z0-9-]*")
PINNED = re.compile(r"(?<![\w-])[a-z][a-z0-9-]*(?:\[[a-z]+\])?==[$0-9]")
"""The beginning of a requirement of one version, as it stands in a program or in a recipe of the Makefile."""
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


def needed_packages() -> set[str]:
    """Every package that the project names: in its groups and extras, to be built, or pinned as a tool."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lists = [
        project["project"]["dependencies"],
        project["build-system"]["requires"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    fetching = [ROOT / "Makefile", *(ROOT / ".ci").glob("*"), *(ROOT / "scripts").rglob("*.py")]
    pinned = [PINNED.findall(path.read_text("utf-8")) for path in fetching if path.is_file()]
    return {name[0] for one in chain(*lists, *pinned) if (name := NAME_OF_PACKAGE.match(one))}


def test_the_page_of_dependencies_names_every_package() -> None:
    page = (ROOT / "documentation/reference/dependencies.md").read_text("utf-8").lower()

    named = set(re.findall(r"[a-z0-9][a-z0-9-]*", page))
    assert needed_packages() - named == set()


def test_the_development_container_passes_hadolint() -> None:
    ended = subprocess.run(
        # Versions of a developer's tools are those of the distribution (DL3008).
        [Path(sys.executable).parent / "hadolint", "--ignore", "DL3008", ROOT / ".devcontainer/Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout


def entries(package: Path) -> set[str]:
    """What a package holds, as its README writes it: modules with their suffix, packages with a slash."""
    listed = subprocess.run(["git", "ls-files"], cwd=package, capture_output=True, text=True, check=True)
    parts = {Path(name).parts for name in listed.stdout.splitlines()}
    return {f"{path[0]}/" if len(path) > 1 else path[0] for path in parts}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_readmes_table_names_everything_that_stands_beside_it(package: Path) -> None:
    readme = (package / "README.md").read_text("utf-8")
    [table] = re.findall(r"^\| (?:package|question) \|.*\n(?:\|.*\n)+", readme, re.MULTILINE)

    everywhere = {"README.md", "__init__.py", "main.py", "tests/"}
    missing = {name for name in entries(package) - everywhere if f"`{name}" not in table}
    assert missing == set()
