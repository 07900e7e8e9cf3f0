"""The embedded stack is refused before anything is started, with one sentence for each problem that says what to do."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_runner.cli.app import DEFAULT_URL
from command_line.loopback import HOST, free_port
from event_contracts import ConfigurationError
from suite.cli import app
from suite.stack.checking import check_machine
from suite.stack.configuration import configure
from suite.stack.log_file import BACKUP_COUNT, log_to_file
from suite.stack.options import Addresses, Ports, StackOptions
from suite_access import StackKeys
from typer.testing import CliRunner


def refusal(data: Path, *options: str) -> list[str]:
    """The lines that ``cj-suite up`` prints when it does not start."""
    ports = [part for option, port in Ports.free().by_option() for part in (option, str(port))]
    ended = CliRunner().invoke(app, ["up", "--data", str(data), *ports, *options])
    assert (ended.exit_code, ended.stdout) == (2, "")
    lines = ended.stderr.splitlines()
    assert lines[0].startswith("CONFIGURATION_ERROR ")
    return [lines[0].removeprefix("CONFIGURATION_ERROR "), *lines[1:]]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield int(server.getsockname()[1])


def test_a_port_that_is_taken_is_refused(tmp_path: Path, taken_port: int) -> None:
    assert refusal(tmp_path / "data", "--cj-port", str(taken_port)) == [
        f"port {taken_port} is not free (Address already in use): stop what listens there, or choose another with"
        " --cj-port"
    ]


def test_all_problems_with_ports_are_reported_together(tmp_path: Path) -> None:
    port = str(free_port())

    lines = refusal(tmp_path, "--cj-port", port, "--llm-port", port, "--conductor-port", "70000")

    assert lines == [
        f"--cj-port and --llm-port are both {port}: give each service a port of its own",
        "there is no port 70000: choose one between 1 and 65535 with --conductor-port",
    ]


def test_an_unknown_provider_is_refused_with_the_choices(tmp_path: Path) -> None:
    (line,) = refusal(tmp_path / "data", "--provider", "nobody")

    assert line.startswith("unknown provider 'nobody': use one of anthropic, ")
    assert not (tmp_path / "data").exists()


def test_an_unknown_model_is_refused_with_the_choices(tmp_path: Path) -> None:
    (line,) = refusal(tmp_path / "data", "--provider", "anthropic", "--model", "nothing")

    assert line.startswith("anthropic has no model 'nothing': use one of claude-")


def test_a_provider_without_its_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLM_PROVIDER_ANTHROPIC_API_KEY", raising=False)

    assert refusal(tmp_path / "data", "--provider", "anthropic") == [
        "anthropic cannot judge without LLM_PROVIDER_ANTHROPIC_API_KEY: set it in the environment, or choose another"
        " --provider"
    ]


def test_every_invalid_setting_is_named_without_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_PROVIDER_CONCURRENCY", "secret-1")
    monkeypatch.setenv("LLM_PROVIDER_LIMITS", "secret-2")
    monkeypatch.setenv("CJ_ASSESSMENT_TARGET_RELIABILITY", "3")

    lines = refusal(tmp_path / "data")

    assert any(line.startswith("CJ_ASSESSMENT_TARGET_RELIABILITY is wrong: ") for line in lines)
    assert any("limits" in line for line in lines)
    assert "secret" not in "".join(lines)


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "essay.txt").write_text("mine")

    assert refusal(tmp_path / "essay.txt" / "data") == [
        f"{tmp_path}/essay.txt is not a folder: choose another folder with --data"
    ]


def test_a_data_folder_that_cannot_be_made_is_refused() -> None:
    (line,) = refusal(Path("/proc/suite"))

    assert line.startswith("/proc/suite cannot be written (")


def test_a_data_folder_with_a_line_break_is_refused(tmp_path: Path) -> None:
    (line,) = refusal(tmp_path / "a\nb")

    assert line.endswith("holds characters that cannot be printed: choose another --data")


def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"MB are free where .*: make room, or choose another folder"
    ):
        check_machine(tmp_path, Ports.free(), needed_bytes=10**18)


def test_the_services_share_one_secret_and_the_judge(tmp_path: Path) -> None:
    configuration = configure(StackOptions(data=tmp_path), StackKeys.generate())

    secrets = {
        settings.callback_signing_secret
        for settings in (configuration.conductor, configuration.provider, configuration.assessment)
    }
    assert len(secrets) == 1
    assert configuration.provider.default_provider == configuration.assessment.default_provider == "mock"


def test_a_simulated_judges_last_answers_are_always_awaited(tmp_path: Path) -> None:
    assessment = configure(StackOptions(data=tmp_path), StackKeys.generate()).assessment

    assert assessment.min_straggler_timeout == assessment.straggler_timeout


@pytest.fixture
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, raising = root.handlers, root.level, logging.raiseExceptions
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers, logging.raiseExceptions = handlers, raising
    root.setLevel(level)


@pytest.mark.usefixtures("_logging_restored")
def test_the_log_is_appended_to_and_never_grows_beyond_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "suite.log"
    path.write_text("of an earlier run\n")
    log_to_file(path, max_bytes=2_000)

    logging.getLogger("test").warning("the first line")
    first = path.read_text("utf-8")
    for number in range(200):
        logging.getLogger("test").warning("line %s", number)

    files = sorted(tmp_path.glob("suite.log*"))
    assert first.startswith("of an earlier run\n")
    assert "the first line" in first
    assert len(files) == 1 + BACKUP_COUNT
    assert all(file.stat().st_size <= 2_000 for file in files)
    assert "line 199" in path.read_text("utf-8")


def test_the_runner_looks_for_the_suite_where_it_is_started() -> None:
    assert Addresses.of(Ports()).cj_assessment == DEFAULT_URL
