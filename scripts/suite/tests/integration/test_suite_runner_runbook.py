"""The runner's runbook: every command on it is run, in its order, against a suite of the test's own."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from suite.tests.sample import copy_sample
from suite.tests.suite_process import SuiteProcess, suite_process, wait_until

REPOSITORY = Path(__file__).parents[4]
RUNBOOK = REPOSITORY / "documentation/operations/runner-runbook.md"
WAIT_TIMEOUT_SECONDS = 900
IN_CONTAINER = {
    "scripts/preflight.sh": "cj-run preflight",
    "docker compose run --rm runner": "cj-run",
    "/assignments/": "",
    "/home/suite/runs": "in-container",
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("jq") is None and not os.environ.get("CI"), reason="install Debian's jq"),
]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuiteProcess]:
    with suite_process(tmp_path_factory.mktemp("suite") / "data") as started:
        wait_until(started.is_ready, what="the suite is ready")
        yield started


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> str:
    script = "\n".join(blocks("bash"))
    for written, meant in IN_CONTAINER.items():
        script = script.replace(written, meant)
    return script


def test_every_command_of_the_runbook_works(suite: SuiteProcess, tmp_path: Path) -> None:
    copy_sample(tmp_path / "my-essays")
    programs = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "CJ_ASSESSMENT_URL": suite.addresses.cj_assessment,
        "LLM_PROVIDER_URL": suite.addresses.llm_provider,
        "BATCH_CONDUCTOR_URL": suite.addresses.batch_conductor,
    }

    ended = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", commands()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=WAIT_TIMEOUT_SECONDS,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr[-4000:]
    assert (tmp_path / "report-sv.html").is_file()
    assert (tmp_path / "sums.txt").read_text("utf-8").count("\n") > 5
    assert not any((tmp_path / "later").glob("*-*-*")), "it was forgotten"


def test_queries_of_logs_match_labels_that_there_are() -> None:
    queries = [line for block in blocks("logql") for line in block.splitlines()]

    assert queries
    for query in queries:
        selector, *rest = query.partition("}")
        assert set(re.findall(r"(\w+)=~?\"", selector)) <= {"service", "level"}, query
        assert "| json" in "".join(rest)
