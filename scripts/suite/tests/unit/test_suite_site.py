"""The documentation site: every link leads somewhere, every page is in the navigation."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from suite.generated.site import lay_out, pages_of

ROOT = Path(__file__).parents[4]


def test_no_link_of_the_documentation_leads_nowhere(tmp_path: Path) -> None:
    assert [str(link) for link in lay_out(ROOT, tmp_path / "pages")] == []


def test_every_page_but_the_single_decisions_is_in_the_navigation() -> None:
    config = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))
    listed = set(_pages(config["project"]["nav"]))

    pages = {str(page) for page in pages_of(ROOT).values() if page.parent.name != "decisions"}

    assert pages | {"decisions/README.md"} == listed


def test_links_hold_on_the_site_and_broken_ones_are_named(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "site"
    (root / "documentation/how-to").mkdir(parents=True)
    (root / "services/shop").mkdir(parents=True)
    (root / "README.md").write_text("# Home\n")
    (root / "services/shop/main.py").write_text("")
    (root / "services/shop/README.md").write_text("# Shop\n\n## What it sells\n")
    (root / "documentation/README.md").write_text("# Documentation\n")
    (root / "documentation/how-to/buy.md").write_text(
        "[shop](../../services/shop/README.md#what-it-sells) [code](../../services/shop/main.py)"
        " [gone](gone.md) [heading](../README.md#none)\n```\n[not](a-link.md)\n```\n"
    )

    broken = lay_out(root, target)

    text = (target / "how-to/buy.md").read_text("utf-8")
    assert "[shop](../packages/shop.md#what-it-sells)" in text
    assert "code (`services/shop/main.py`)" in text
    assert [link.target for link in broken] == ["gone.md", "../README.md#none"]


def _pages(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for value in nav.values():
            yield from _pages(value)
    else:
        for value in nav:
            yield from _pages(value)
