"""Checks the message of a commit, as CONTRIBUTING describes it: ``commit_message.py FILE``, the hook ``commit-msg``."""

import re
import subprocess
import sys
from pathlib import Path

MAX_SUBJECT = 72
MAX_LINES_WITHOUT_BODY = 40
UNNAMED = re.compile(r"wip\b|fixup!|squash!|merge (branch|remote|commit)\b", re.IGNORECASE)


def problems(message: str, *, changed_lines: int) -> list[str]:
    """What is wrong with a message, in words."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject, rest = (lines[0], lines[1:]) if lines else ("", [])
    found = []
    if not subject.strip():
        found.append("the first line is empty: write what the commit does")
    if len(subject) > MAX_SUBJECT:
        found.append(f"the subject has {len(subject)} characters: shorten it to {MAX_SUBJECT}")
    if UNNAMED.match(subject):
        found.append(f"{subject!r} does not say what changes: name it")
    if rest and rest[0].strip():
        found.append("the second line is not empty: separate the subject from the body")
    if changed_lines > MAX_LINES_WITHOUT_BODY and not any(line.strip() for line in rest):
        found.append(f"{changed_lines} lines change: say why in a body")
    return found


def _staged_lines() -> int:
    counted = subprocess.run(
        ["git", "diff", "--cached", "--numstat"], check=True, capture_output=True, text=True
    )
    numbers = (line.split("\t")[:2] for line in counted.stdout.splitlines())
    return sum(int(number) for pair in numbers for number in pair if number.isdecimal())


def main(path: str) -> int:
    """Exit code 1, and a line for each problem, unless there is none."""
    found = problems(Path(path).read_text(encoding="utf-8"), changed_lines=_staged_lines())
    for problem in found:
        print(f"commit message: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
