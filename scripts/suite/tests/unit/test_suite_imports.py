"""Who imports whom, where import-linter does not look: in tests, and from a package or from a module of it."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[4]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = next(contract["layers"] for contract in CONTRACTS if contract["id"] == "layers")
LAYER_OF = {package.strip(): number for number, layer in enumerate(LAYERS) for package in layer.split("|")}
FILES = sorted(path for part in ("libs", "services", "scripts") for path in (ROOT / part).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def may_import(package: str, other: str) -> bool:
    """Whether the second package is below the first, or is it; what is in no layer may be imported by all."""
    return package == other or LAYER_OF.get(other, len(LAYERS)) > LAYER_OF[package]


def test_tests_import_nothing_that_is_above_what_they_test() -> None:
    upwards = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in FILES
        for module in imported(path)
        if "tests" in path.parts and not may_import(path.relative_to(ROOT).parts[1], module.partition(".")[0])
    ]

    assert upwards == []
