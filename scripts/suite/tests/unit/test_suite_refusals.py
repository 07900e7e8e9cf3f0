"""Refusals say what to do next: those of what is not there, not allowed now, or unavailable, wherever they are made."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
REFUSALS = frozenset({"NotFound", "Conflict", "Unavailable"})
NEXT_STEP = re.compile(r"[:;?] .*[a-z]{2}")
"""A clause of words after what is the matter."""


def sources() -> list[Path]:
    packages = (path for part in ("libs", "services", "scripts") for path in (ROOT / part).glob("*/"))
    return sorted(path for package in packages for path in package.rglob("*.py") if "tests" not in path.parts)


def written_text(message: ast.expr) -> str | None:
    """The words of a message as they stand in the source, {} for each value; None where it is not written there."""
    if isinstance(message, ast.Constant) and isinstance(message.value, str):
        return message.value
    if isinstance(message, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in message.values)
    return None


def refusals(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSALS:
            text = written_text(node.args[0]) if node.args else None
            if text is not None:
                yield text


def test_every_refusal_says_what_to_do_next() -> None:
    made = [text for path in sources() for text in refusals(path.read_text("utf-8"))]

    assert len(made) > 20
    assert [text for text in made if not NEXT_STEP.search(text)] == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ('NotFound("there is no anchor")', False),
        ('NotFound(f"there is no anchor {number}")', False),
        ('Unavailable(f"Kafka does not answer: {error!r}")', False),
        ('NotFound(f"there is no anchor {number}: list them")', True),
        ('Conflict("it has no results yet; ask again")', True),
    ],
)
def test_a_refusal_without_a_next_step_is_found(source: str, says: bool) -> None:
    (text,) = refusals(source)

    assert bool(NEXT_STEP.search(text)) is says
