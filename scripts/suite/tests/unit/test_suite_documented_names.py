"""The documentation names only what there is: code, settings, metrics, log events and tests by their present names."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[4]
QUOTED: Final = re.compile(r"`([A-Za-z_][A-Za-z0-9_]{3,})(?:\(\))?`")
NAME: Final = re.compile(r"_|[a-z][A-Z]")
"""Words that are names of code: with an underscore, or with a capital inside."""
WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SETTING: Final = re.compile(r"^(?:CJ_ASSESSMENT|LLM_PROVIDER|BATCH_CONDUCTOR)_")
ELSEWHERE: Final = {"inference_geo": "Anthropic's Messages API"}
"""Names of other programs, and whose they are."""


@cache
def tracked() -> tuple[Path, ...]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(ROOT / name for name in listed.stdout.splitlines())


@cache
def known() -> frozenset[str]:
    """Every word of the sources."""
    words: set[str] = set()
    for path in tracked():
        if path.suffix in (".py", ".toml", ".yml", ".yaml", ".sh", ".json", ".j2", ".html", ".js", ".mjs"):
            words.update(WORD.findall(path.read_text("utf-8")))
            words.update(path.parts)
            words.add(path.stem)
    return frozenset(words)


def pages() -> Iterator[Path]:
    return (path for path in tracked() if path.suffix == ".md" and path.name != "CHANGELOG.md")


def is_known(name: str) -> bool:
    """True for a name of the sources, and for a setting's variable, whose name is put together from its parts."""
    return bool({name, name.lower(), SETTING.sub("", name).lower()} & known()) or name in ELSEWHERE


@pytest.mark.parametrize("page", list(pages()), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_name_on_a_page_is_one_of_the_sources(page: Path) -> None:
    named = {name for name in QUOTED.findall(page.read_text("utf-8")) if NAME.search(name)}

    assert {name for name in named if not is_known(name)} == set()
