"""cj-run as a program: its exit codes, its words, its files, and what Ctrl-C does."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import stamina
from batch_runner.cli import app
from batch_runner.tests.building import BATCH, folder_of
from batch_runner.tests.stub_service import Answer, Assessing, StubService, serving
from batch_runner.tests.unit.test_batch_runner_assignment import FILES, MANIFEST
from event_contracts import AssessmentState
from typer.testing import CliRunner, Result

ESSAYS = {"a.txt": "The text of a.", "b.txt": "The text of b."}
WAIT_TIMEOUT_SECONDS = 60


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@contextmanager
def interrupting(service: StubService, number: signal.Signals) -> Iterator[None]:
    """Send this process a signal as soon as the batch is followed."""

    def send() -> None:
        if service.started.wait(WAIT_TIMEOUT_SECONDS):
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    yield
    thread.join()


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    stamina.instrumentation.set_on_retry_hooks(None)


def execute(essays: Path, service: StubService, *options: str) -> Result:
    return run("execute", str(essays), "--url", service.url, *options)


def test_a_run_ends_with_ranking_totals_and_the_paths_of_its_files(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)

    with serving(Assessing()) as service:
        ended = execute(essays, service, "--batch-id", BATCH)

    assert (ended.exit_code, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert any(line.split()[:3] == ["1", "a", "(anchor)"] for line in lines)
    assert any(line.startswith("3 essays and 0 anchors, 10 comparisons") for line in lines)
    files = [tmp_path / line for line in lines if line.startswith("runs/")]
    assert [path.name for path in files] == [
        "comparisons.csv",
        "essays.csv",
        "assessment_run.execute.json",
        "report.html",
        "manifest.json",
    ]
    assert all(path.is_file() for path in files)


def test_texts_and_anchors_are_uploaded_before_the_batch_is_started(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", {**FILES, "assignment.toml": MANIFEST})

    with serving(Assessing()) as service:
        execute(essays, service)

    asked = [path for method, path in service.asked if method == "POST"]
    assert asked == ["/v1/content", "/v1/content", "/api/v1/anchors/register", "/api/v1/assessments"]


def test_a_panel_is_requested_with_the_share_of_each_judge(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)

    with serving(Assessing()) as service:
        ended = execute(
            essays, service, "--batch-id", BATCH, "--judge", "mock:0.25", "--judge", "anthropic:0.75"
        )

    assert (ended.exit_code, ended.stderr) == (0, "")
    request = json.loads(next((tmp_path / "runs").glob("*/requests/assessment_request.json")).read_text())
    panel = request["metadata"]["judge_panel"]
    assert [(judge["provider"], judge["share"]) for judge in panel] == [("mock", 0.25), ("anthropic", 0.75)]
    assert request["data"]["llm_config_overrides"]["provider_override"] is None


def test_an_unknown_judge_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)

    with serving(Assessing()) as service:
        ended = execute(essays, service, "--judge", "mock", "--judge", "anthropic/nobody")

    assert ended.exit_code == 2
    assert ended.stderr.startswith("LLM_INVALID_CONFIG")
    assert "nobody" in ended.stderr
    assert service.asked == []


def test_a_service_that_is_down_for_a_while_is_one_line(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)
    left = [503] * 6

    def away_at_first(method: str, path: str) -> Answer:
        if path == "/v1/content" and left:
            return Answer(left.pop(), b"restarting")
        return Assessing()(method, path)

    with serving(away_at_first) as service:
        ended = execute(essays, service)

    assert ended.exit_code == 0
    assert ended.stderr.startswith("waiting up to 60 s: the service cannot answer now")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("state", [AssessmentState.FAILED, AssessmentState.CANCELLED])
def test_a_batch_without_a_ranking_is_exit_code_1_with_the_reason(
    tmp_path: Path, state: AssessmentState
) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)

    with serving(Assessing(state, error="too few answers")) as service:
        ended = execute(essays, service)

    assert ended.exit_code == 1
    assert ended.stderr == "no ranking: too few answers\n"
    assert "comparisons.csv" in ended.stdout


def test_a_wrong_folder_is_exit_code_4_in_one_line_before_anything_is_sent(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", {"a.txt": "text", "b.txt": ""})

    with serving(Assessing()) as service:
        ended = execute(essays, service)

    assert ended.exit_code == 4
    assert ended.stderr == "EMPTY_CONTENT b.txt: it holds no text\n"
    assert service.asked == []


def test_a_refusal_is_exit_code_4_with_the_services_code(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)

    def refusing(method: str, path: str) -> Answer:
        if path == "/api/v1/assessments":
            return Answer(
                409,
                b'{"error": {"error_code": "INVALID_REQUEST", "message": "another [batch]",'
                b' "correlation_id": "00000000-0000-0000-0000-000000000001",'
                b' "timestamp": "2026-01-01T00:00:00Z", "service": "cj", "operation": "start"}}',
            )
        return Assessing()(method, path)

    with serving(refusing) as service:
        ended = execute(essays, service)

    assert (ended.exit_code, ended.stderr) == (4, "INVALID_REQUEST another [batch]\n")


def test_a_service_that_is_away_is_exit_code_1_and_says_how_to_start_it(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)

    ended = run("execute", str(essays), "--url", "http://127.0.0.1:9")

    assert ended.exit_code == 1
    assert ended.stderr.startswith("EXTERNAL_SERVICE_ERROR no answer from http://127.0.0.1:9")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_a_run_that_can_be_resumed(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)
    answering = Assessing(AssessmentState.JUDGING)

    with serving(answering) as service:
        with interrupting(service, number):
            ended = execute(essays, service)
        run_folder = next(path for path in (tmp_path / "runs").iterdir() if path.is_dir())
        answering.state = AssessmentState.COMPLETED
        resumed = run("execute", "--resume", str(run_folder))

    assert (ended.exit_code, ended.stderr) == (code, "")
    assert f"--resume runs/{run_folder.name}" in ended.stdout
    assert not [path for _, path in service.asked if path.endswith("/cancel")]
    assert (resumed.exit_code, resumed.stderr) == (0, "")
    assert service.times("POST", "/v1/content") == 2
    assert run("verify", str(run_folder)).exit_code == 0


def test_a_run_can_be_cancelled(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)

    with serving(Assessing(AssessmentState.JUDGING)) as service:
        execute(essays, service, "--no-await")
        run_folder = next(path for path in (tmp_path / "runs").iterdir() if path.is_dir())
        ended = run("cancel", str(run_folder))

    assert (ended.exit_code, ended.stderr) == (0, "")
    assert service.times("POST", f"/api/v1/batches/{run_folder.name}/cancel") == 1


def test_a_batch_that_takes_too_long_is_exit_code_7_with_what_there_is(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)

    with serving(Assessing(AssessmentState.JUDGING)) as service:
        ended = execute(essays, service, "--completion-timeout", "1")

    assert ended.exit_code == 7
    assert "timed out: the batch continues" in ended.stderr
    record = json.loads(next((tmp_path / "runs").glob("*/assessment_run.execute.json")).read_text())
    assert record["validation"]["runner_status"]["partial_data"] is True


def test_a_run_that_is_not_there_is_exit_code_3(tmp_path: Path) -> None:
    ended = [run("verify", str(tmp_path)), run("execute", "--resume", str(tmp_path))]

    assert [each.exit_code for each in ended] == [3, 3]


def test_a_dry_run_makes_the_request_and_a_record_and_sends_nothing(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)

    ended = run("dry-run", str(essays))

    assert (ended.exit_code, ended.stderr) == (0, "")
    record = next((tmp_path / "runs").glob("*/assessment_run.dry-run.json"))
    assert record.with_name("requests").joinpath("assessment_request.json").is_file()
    assert run("verify", str(record.parent)).exit_code == 0


def test_the_address_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)

    with serving(Assessing()) as service:
        monkeypatch.setenv("CJ_ASSESSMENT_URL", service.url)
        ended = run("execute", str(essays))

    assert ended.exit_code == 0
