"""The commands of the page on registering anchors, as they stand there."""

import shlex
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from admin_cli.tests.running import Program
from cj_assessment.tests.serving import Assessment, over_http
from service_kit.tests.tokens import signed_with_secret
from suite.cli import SAMPLE
from suite.tests.documented import blocks_of

ROOT: Final = Path(__file__).parents[4]
PAGE: Final = ROOT / "documentation/how-to/register-anchors.md"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(make_database: Callable[[str], str]) -> AsyncIterator[Assessment]:
    async with over_http(make_database("registering_anchors")) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the page takes for granted: texts of the assignment, and anchors named by their grades."""
    for name in ("instructions.md", "rubric.md", "student_prompt.md"):
        shutil.copy(SAMPLE / name, tmp_path)
    shutil.copytree(SAMPLE / "anchors", tmp_path / "anchors")
    corrected = (SAMPLE / "anchors" / "B1.txt").read_text().replace(".", ";", 1)
    (tmp_path / "B1-corrected.txt").write_text(corrected)
    return tmp_path


async def test_the_page_on_anchors_does_what_it_says(service: Assessment, folder: Path) -> None:
    admin = Program(
        folder,
        {"CJ_ADMIN_BASE_URL": str(service.http.base_url), "CJ_ADMIN_TOKEN": signed_with_secret()},
    )
    commands = [line for block in blocks_of(PAGE) for line in block.commands.splitlines()]
    outputs: list[str] = []
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "cj-admin"
        ended = await admin(*arguments)
        assert (ended.code, ended.err) == (0, ""), command
        outputs.append(ended.out)

    said = dict(zip(commands, outputs, strict=True))
    load = "cj-admin anchors import anchors --assignment-id np-2026"
    assert "12 anchors on eng5_np_legacy_9_step would be registered" in said[f"{load} --dry-run"]
    assert "12 new" in said[load]
    assert "replaced: B1" in said[next(one for one in commands if "replace" in one)]
    assert len(commands) >= 8
