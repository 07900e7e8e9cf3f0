"""The page of promises: every test that it names exists, and each promise has a figure, its tests and its limits."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "documentation/explanation/promises.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`((?:libs|services|scripts)/[^`]+::[^`]+)`", PAGE)))
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}
TOPICS = (
    "Nothing is lost",
    "Nothing counts twice",
    "Order",
    "Budget",
    "Callbacks",
    "Poison",
    "Outages",
    "Many at once",
    "Long runs",
    "Privacy",
    "Determinism",
)


@pytest.mark.parametrize("node_id", NAMED)
def test_every_test_that_a_promise_names_exists(node_id: str) -> None:
    path, *names = node_id.split("::")

    assert (ROOT / path).is_file()
    assert tuple(names) in set(_tests(ROOT / path))


@pytest.mark.parametrize("title", TOPICS)
def test_each_promise_has_a_figure_its_tests_and_its_limits(title: str) -> None:
    section = SECTIONS[title]

    assert re.search(r"\*Figures?:\*.*\d", section)
    assert "Held by:\n\n- `" in section
    assert "*Limits" in section


def _tests(path: Path) -> Iterator[tuple[str, ...]]:
    """The tests of a file by name, those of a class with the class before them."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            yield from ((node.name, *name) for name in _names(node.body))
        else:
            yield from _names([node])


def _names(body: list[ast.stmt]) -> Iterator[tuple[str]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield (node.name,)
