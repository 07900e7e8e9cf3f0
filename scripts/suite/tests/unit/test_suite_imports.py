"""Who imports whom, where import-linter does not look: in tests, and from a package or from a module of it."""

import ast
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[4]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = next(contract["layers"] for contract in CONTRACTS if contract["id"] == "layers")
LAYER_OF = {package.strip(): number for number, layer in enumerate(LAYERS) for package in layer.split("|")}
FILES = sorted(path for part in ("libs", "services", "scripts") for path in (ROOT / part).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def module_of(path: Path) -> str:
    """The dotted name of a file, or of the package whose ``__init__`` it is."""
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts).removesuffix(".__init__")


def names_imported(path: Path) -> Iterator[tuple[str, ast.alias]]:
    """Each name that a file imports, with the module before it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, name) for name in node.names)


def listed(path: Path) -> Sequence[str]:
    """What the file lists in ``__all__``."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def exported() -> Mapping[tuple[str, str], str]:
    """The packages that export a name of one of their modules: with ``__all__`` or as ``import name as name``."""
    return {
        (module, name.name): module_of(path)
        for path in FILES
        if path.name == "__init__.py"
        for module, name in names_imported(path)
        if (name.asname == name.name or name.name in listed(path))
        if module.startswith(f"{module_of(path)}.")
    }


def is_within(module: str, package: str) -> bool:
    """Whether a module is the package or a part of it; its tests use it as others do."""
    return f"{module}.".startswith(f"{package}.") and not module.startswith(f"{package}.tests.")


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


def test_what_a_package_exports_is_imported_from_the_package() -> None:
    packages = exported()
    passing_by = [
        f"{path.relative_to(ROOT)} imports {name.name} from {module}, and {package} exports it"
        for path in FILES
        for module, name in names_imported(path)
        if (package := packages.get((module, name.name))) and not is_within(module_of(path), package)
    ]

    assert passing_by == []
