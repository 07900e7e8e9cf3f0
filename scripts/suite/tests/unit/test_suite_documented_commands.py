"""Every block of commands in the tutorial and the how-tos is run by a test, or says why not."""

from pathlib import Path

import pytest
from suite.tests.documented import PAGES, Run, blocks_of


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_are_run_or_say_why_not(page: Path) -> None:
    text = page.read_text("utf-8")
    blocks = list(blocks_of(page))

    assert len(blocks) == text.count("```bash")
    assert "```sh" not in text
    assert "```console" not in text
    assert all(block.why for block in blocks if block.run in (Run.NOT, Run.STARTS))


def test_the_tutorial_is_run_from_its_start_to_its_end() -> None:
    [tutorial] = [page for page in PAGES if page.stem == "ten-minutes"]

    runs = [block.run for block in blocks_of(tutorial)]

    assert runs.count(Run.NOT) == 1
    assert runs.count(Run.STARTS) == 1
    assert runs.count(Run.RUNNING) >= 4
