"""The trees of errors that modules show in their docstrings are those of their classes."""

import re
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

import batch_conductor.domain.errors
import event_contracts.errors
import llm_provider.domain.calls.errors
import pytest
from event_contracts import SuiteError, http_status

MODULES = (event_contracts.errors, llm_provider.domain.calls.errors, batch_conductor.domain.errors)
BRANCH = re.compile(
    r"(?P<bars>(?:[│├└][─ ]{2} |    )*)(?P<name>[A-Z]\w+)"
    r"(?: +(?P<code>[A-Z_]{3,})\b)?(?: +(?P<status>\d{3})\b)?"
)


class Branch(NamedTuple):
    """One line of a tree: an error, the error above it, and what the line says of it."""

    error: type[SuiteError]
    parent: type[SuiteError] | None
    code: str | None
    status: str | None


def branches(module: ModuleType) -> Iterator[Branch]:
    above: list[type[SuiteError]] = []
    for line in (module.__doc__ or "").splitlines()[2:]:
        found = BRANCH.match(line)
        error = getattr(module, found["name"], None) if found else None
        if found is None or not isinstance(error, type):
            continue
        depth = len(found["bars"]) // 4
        del above[depth:]
        yield Branch(error, above[-1] if above else None, found["code"], found["status"])
        above.append(error)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_tree_of_errors_shows_each_under_its_base_with_its_code_and_status(module: ModuleType) -> None:
    tree = list(branches(module))

    for branch in tree:
        assert branch.parent is None or issubclass(branch.error, branch.parent), branch
        assert branch.code in (None, branch.error.code), branch
        assert branch.status in (None, str(http_status(branch.error.code))), branch
    own = {
        one
        for name, one in vars(module).items()
        if isinstance(one, type) and issubclass(one, SuiteError) and one.__module__ == module.__name__
        if not name.startswith("_")
    }
    assert own - {branch.error for branch in tree} == set()
