"""The tutorial and the how-tos do what they say: their commands are run, in order, against a running suite."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from suite.tests.documented import PAGES, ROOT, Block, Run, blocks_of
from suite.tests.sample import copy_sample
from suite.tests.suite_process import WAIT_TIMEOUT_SECONDS, SuiteProcess, suite_process, wait_until

pytestmark = pytest.mark.slow

OTHERS = [page for page in PAGES if page.stem != "ten-minutes"]


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """A folder in which the commands find what they find in a checkout, and whose .run and runs are its own."""
    with TemporaryDirectory(prefix="cj-documentation-") as name:
        folder = Path(name)
        for entry in ("Makefile", "pyproject.toml", "pdm.lock", ".env.example"):
            (folder / entry).symlink_to(ROOT / entry)
        (folder / "scripts/suite").mkdir(parents=True)
        copy_sample(folder / "scripts/suite/sample_assignment")
        (folder / ".venv/bin").mkdir(parents=True)
        for program in (ROOT / ".venv/bin").glob("cj-*"):
            (folder / ".venv/bin" / program.name).symlink_to(program)
        yield folder


def environment(suite: SuiteProcess | None) -> dict[str, str]:
    """Nothing of this machine's own installations, and the addresses of the suite that the test has started."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("CJ_", "KAFKA_"))}
    if suite is None:
        return own
    return own | {
        "CJ_ASSESSMENT_URL": suite.addresses.cj_assessment,
        "LLM_PROVIDER_URL": suite.addresses.llm_provider,
        "BATCH_CONDUCTOR_URL": suite.addresses.batch_conductor,
    }


def run(block: Block, checkout: Path, suite: SuiteProcess | None) -> None:
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.commands],
        cwd=checkout,
        env=environment(suite),
        capture_output=True,
        text=True,
        timeout=WAIT_TIMEOUT_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, f"{block.commands}\n{ended.stdout}\n{ended.stderr}"


def test_every_command_of_the_documentation_works_in_the_order_of_its_page(checkout: Path) -> None:
    pages = [ROOT / "documentation/tutorial/ten-minutes.md", *OTHERS]
    blocks = [block for page in pages for block in blocks_of(page)]

    with suite_process(checkout / ".run") as suite:
        wait_until(suite.is_ready, what="the suite is ready")
        for block in blocks:
            if block.run is Run.RUNNING:
                run(block, checkout, suite)
    for block in blocks:
        if block.run is Run.STOPPED:
            run(block, checkout, None)

    with suite_process(checkout / ".run") as again:
        wait_until(again.is_ready, what="the suite is ready with the data that was restored")
    shutil.rmtree(checkout / "suite-backup")
