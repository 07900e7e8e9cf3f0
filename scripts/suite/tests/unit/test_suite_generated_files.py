"""What is generated is marked as generated, and looked at whenever it may have changed."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import admin_cli.cli
import batch_runner.cli
import suite.cli
import yaml
from event_contracts import API_VERSION
from suite.generated.files import PARTLY_GENERATED, ROOT, generated_files


@cache
def generated() -> frozenset[Path]:
    programs = {"cj-admin": admin_cli.cli.app, "cj-run": batch_runner.cli.app, "cj-suite": suite.cli.app}
    return frozenset(generated_files(programs))


def test_what_is_generated_whole_is_marked_for_reviewers_and_nothing_else() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    attributes = subprocess.run(
        ["git", "check-attr", "--stdin", "-z", "linguist-generated"],
        cwd=ROOT,
        input=tracked,
        capture_output=True,
        check=True,
    ).stdout.decode()
    fields = attributes.split("\0")
    marked = {Path(path) for path, value in zip(fields[::3], fields[2::3], strict=False) if value == "set"}

    assert marked - {Path("pdm.lock")} == generated() - PARTLY_GENERATED


def test_every_published_document_has_the_version_of_the_wire() -> None:
    schemas = ROOT / "documentation/schemas"
    documents = [schemas / "asyncapi.json", *sorted((schemas / "openapi").glob("*.json"))]

    versions = [json.loads(path.read_text("utf-8"))["info"]["version"] for path in documents]
    assert versions == [API_VERSION] * 4


def test_a_change_of_a_generated_file_is_seen_before_it_is_committed() -> None:
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    (hook,) = (hook for repo in configuration["repos"] for hook in repo["hooks"] if hook["id"] == "generated")

    unseen = [path for path in generated() if not re.search(hook.get("files", ""), path.as_posix())]
    assert unseen == []
