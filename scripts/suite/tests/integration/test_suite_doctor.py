"""cj-suite doctor tries keys, databases, the broker, disk and clocks, and says of each what to do."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from command_line.finding import Verdict, clock
from command_line.loopback import HOST, free_port
from model_manifest import default_model
from service_kit.storage.database import migrate
from suite.doctor.examination import unknown_settings
from suite.embedded.postgres import PostgresServer
from suite.installed import SERVICES

RIGHT_KEY = "right-key"


@contextmanager
def vendor(*models: str, skew: timedelta = timedelta(0)) -> Iterator[str]:
    """A vendor of OpenAI's kind, which lists ``models`` to who has the right key; its clock differs by ``skew``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("authorization") == f"Bearer {RIGHT_KEY}"
            body = json.dumps({"data": [{"id": model} for model in models]}).encode()
            self.send_response_only(200 if known else 401)
            self.send_header("date", format_datetime(datetime.now(UTC) + skew, usegmt=True))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
            """Not on the tests' output."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()
        thread.join()


def examined(folder: Path, environment: Mapping[str, str]) -> tuple[int, dict[str, str]]:
    """Exit code of ``cj-suite doctor`` in ``folder``, and its lines by what they are about."""
    ended = subprocess.run(
        [sys.executable, "-m", "suite.main", "doctor"],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = dict(line.split(": ", 1) for line in ended.stdout.splitlines() if ": " in line)
    assert ended.stderr == ""
    return ended.returncode, lines


def test_a_valid_key_in_the_env_file_passes_the_check(tmp_path: Path) -> None:
    with vendor(default_model("openai").id, "another") as url:
        (tmp_path / ".env").write_text(
            f"LLM_PROVIDER_OPENAI_API_KEY={RIGHT_KEY}\nLLM_PROVIDER_OPENAI_URL={url}\n"
        )
        code, lines = examined(tmp_path, {})

    assert code == 0
    said = lines["passed       provider openai"]
    assert said == f"the key is accepted; {default_model('openai').id} is one of 2 models"
    assert lines["passed       clock compared with a vendor's"].startswith("agrees to ")
    assert lines["not checked  provider anthropic"].startswith("LLM_PROVIDER_ANTHROPIC_API_KEY is not set")


def test_a_wrong_key_an_unreachable_vendor_and_a_wrong_clock_fail_the_check(tmp_path: Path) -> None:
    with vendor(default_model("openai").id, skew=timedelta(minutes=10)) as url:
        code, lines = examined(
            tmp_path,
            {
                "LLM_PROVIDER_OPENAI_API_KEY": "secret-wrong-key",
                "LLM_PROVIDER_OPENAI_URL": url,
                "LLM_PROVIDER_OPENAI_COMPATIBLE_URL": f"http://{HOST}:{free_port()}/v1",
            },
        )

    assert code == 1
    assert (
        "answers 401: is the key right?; check LLM_PROVIDER_OPENAI_API_KEY"
        in lines["failed       provider openai"]
    )
    assert "cannot be reached" in lines["failed       provider openai_compatible"]
    assert "set both machines' clocks" in lines["failed       clock compared with a vendor's"]
    assert "secret" not in str(lines)


def test_a_judge_on_this_machine_fails_the_check_without_its_file(tmp_path: Path) -> None:
    environment = {"LLM_PROVIDER_REPLAY_FILE": str(tmp_path / "moved.jsonl")}

    code, lines = examined(tmp_path, environment)

    assert code == 1
    assert lines["failed       provider replay"].startswith(f"{tmp_path / 'moved.jsonl'}")
    assert lines["passed       provider mock"] == "judges on this machine, without a key"


def test_a_default_model_that_the_vendor_no_longer_lists_fails_the_check(tmp_path: Path) -> None:
    with vendor("another") as url:
        environment = {"LLM_PROVIDER_OPENAI_API_KEY": RIGHT_KEY, "LLM_PROVIDER_OPENAI_URL": url}
        code, lines = examined(tmp_path, environment)
        chosen = {"DEFAULT_PROVIDER": "openai", "CJ_ASSESSMENT_DEFAULT_MODEL": "another"}
        code_of_another, _ = examined(tmp_path, {**environment, **chosen})

    assert (code, code_of_another) == (1, 0)
    assert f"does not list {default_model('openai').id}" in lines["failed       provider openai"]


def test_missing_empty_and_ready_databases_are_told_apart(
    tmp_path: Path, make_database: Callable[[str], str], kafka_bootstrap: str, topic_prefix: str
) -> None:
    assessment, provider, conductor = SERVICES
    ready, empty = make_database("doctor_ready"), make_database("doctor_empty")
    missing = PostgresServer(ready).url_for("doctor_that_is_not_there")
    environment = {
        assessment.variable("database_url"): ready,
        provider.variable("database_url"): empty,
        conductor.variable("database_url"): missing,
        conductor.variable("kafka_bootstrap_servers"): kafka_bootstrap,
        conductor.variable("kafka_topic_prefix"): topic_prefix,
    }
    migrated = subprocess.run(
        [sys.executable, "-m", "suite.main", "deployment", "migrate"],
        cwd=tmp_path,
        env={assessment.variable("database_url"): ready},
        check=True,
        capture_output=True,
        text=True,
    )

    code, lines = examined(tmp_path, environment)

    assert migrated.stdout == "up to date: CJ Assessment\n"
    assert code == 1
    assert lines["passed       database of CJ Assessment"].startswith("PostgreSQL ")
    assert lines["passed       clock of the database of CJ Assessment"].startswith("agrees to ")
    assert "empty: run cj-suite deployment migrate" in lines["failed       database of LLM Provider"]
    assert "no such database" in lines["failed       database of Batch Conductor"]
    assert "run cj-suite deployment topics" in lines["failed       broker"]
    assert "is wrong" in lines["failed       settings of CJ Assessment"]


async def test_a_schema_that_is_behind_is_served_from_the_oldest_on(
    tmp_path: Path, make_database: Callable[[str], str]
) -> None:
    service = next(one for one in SERVICES if one.package == "batch_conductor")
    url = make_database("doctor_behind")
    environment = {service.variable("database_url"): url}
    line = f"database of {service.title}"

    await migrate(url, service.migrations, revision=service.oldest_schema)
    _, behind = examined(tmp_path, environment)
    await migrate(url, service.migrations, revision="-1")
    _, too_old = examined(tmp_path, environment)

    said = behind[f"passed       {line}"]
    assert f"schema {service.oldest_schema}, 1 behind " in said
    assert said.endswith(": run cj-suite deployment migrate")
    needed = f"{service.oldest_schema} or newer is needed: run cj-suite deployment migrate"
    assert too_old[f"failed       {line}"].endswith(needed)


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0, Verdict.PASSED), (59, Verdict.PASSED), (61, Verdict.FAILED)]
)
def test_a_clock_may_differ_by_a_minute(seconds: int, verdict: Verdict) -> None:
    now = datetime.now(UTC)

    assert clock("clock", now - timedelta(seconds=seconds), ours=now).verdict is verdict
    assert clock("clock", now + timedelta(seconds=seconds), ours=now).verdict is verdict


def test_a_variable_that_no_service_reads_is_named_with_the_one_that_is_meant() -> None:
    environment = {
        "LLM_PROVIDER_LEASE": "PT2S",
        "CJ_ASSESSMENT_HTTP_PROT": "9000",
        "BATCH_CONDUCTOR_COLOUR": "blue",
        "LLM_PROVIDER_ENDPOINT_SCHOOL_KEY": "read where the endpoints are",
        "LLM_PROVIDER_ANTHROPIC_API_KEY": "read by its vendor",
        "CJ_ADMIN_TOKEN": "of another program",
    }

    found = unknown_settings(environment)

    assert found.verdict is Verdict.FAILED
    assert found.said.split("; ") == [
        "BATCH_CONDUCTOR_COLOUR is not a setting, and changes nothing: see documentation/reference/settings.md",
        "CJ_ASSESSMENT_HTTP_PROT is not a setting: use CJ_ASSESSMENT_HTTP_PORT",
        "LLM_PROVIDER_LEASE is not a setting: use LLM_PROVIDER_LEASE_DURATION",
    ]
    assert unknown_settings({"PATH": "/bin"}).verdict is Verdict.PASSED
