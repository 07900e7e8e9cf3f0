"""The hook that looks at messages of commits."""

import subprocess
import sys
from pathlib import Path

import pytest

HOOK = Path(__file__).parents[4] / ".ci/commit_message.py"


def refusals(folder: Path, message: str, *, changed_lines: int = 1) -> str:
    """What the hook says of a commit that adds a file of so many lines."""
    (folder / "message").write_text(message, encoding="utf-8")
    (folder / "added.txt").write_text("line\n" * changed_lines, encoding="utf-8")
    for command in (["init", "--quiet"], ["add", "added.txt"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    ended = subprocess.run(
        [sys.executable, HOOK, "message"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == (1 if ended.stderr else 0)
    return ended.stderr


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "the first line is empty"),
        (f"Keep {'the order ' * 7}of each key", "shorten it to 72"),
        ("wip", "does not say what changes"),
        ("Merge branch 'report' into main", "does not say what changes"),
        ("Keep the order of each key\nbecause it matters", "the second line is not empty"),
    ],
)
def test_a_message_that_does_not_say_what_and_why_is_refused(
    tmp_path: Path, message: str, reason: str
) -> None:
    assert reason in refusals(tmp_path, message)


def test_a_large_change_needs_a_reason(tmp_path: Path) -> None:
    assert "41 lines change: say why" in refusals(tmp_path, "Keep the order of each key", changed_lines=41)


@pytest.mark.parametrize("body", ["", "\n\nConsumers fold events by key.\n# a comment of git's\n"])
def test_a_message_that_says_what_and_why_is_accepted(tmp_path: Path, body: str) -> None:
    assert refusals(tmp_path, f"Keep the order of each key{body}", changed_lines=41 if body else 40) == ""
