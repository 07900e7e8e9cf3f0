"""docker-compose.yml and the Dockerfile are sound, and what an operator sets in .env reaches the container."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from llm_provider.adapters.vendors import registrations
from suite.generated.environment import environment_example, passed_on
from suite.installed import SERVICES
from suite.tests.compose_file import ROOT, ComposeFile, VariableMissing

COMPOSE_SPECIFICATION = "github.com/compose-spec/compose-go/v2@v2.4.9"
SECRETS = {
    "POSTGRES_PASSWORD": "secret",
    "CALLBACK_SIGNING_SECRET": "whsec_secret",
    "SERVICE_SECRET": "secret",
    "JWT_SECRET": "secret",
}


@pytest.fixture(scope="module")
def compose() -> ComposeFile:
    return ComposeFile.read()


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    """The published JSON Schema of Compose files, from the module that Docker Compose itself reads them with."""
    if shutil.which("go") is None and not os.environ.get("CI"):
        pytest.skip("no Go, through whose module proxy the Compose specification is downloaded")
    answer = subprocess.run(
        ["go", "mod", "download", "-json", COMPOSE_SPECIFICATION], check=True, capture_output=True, text=True
    )
    schema = Path(json.loads(answer.stdout)["Dir"]) / "schema" / "compose-spec.json"
    loaded: dict[str, Any] = json.loads(schema.read_text("utf-8"))
    return loaded


@pytest.mark.parametrize("path", ["docker-compose.yml", "deploy/compose/settings.yml"])
def test_the_file_is_valid_by_the_compose_specification(path: str, specification: dict[str, Any]) -> None:
    document = yaml.safe_load((ROOT / path).read_text("utf-8"))

    problems = [problem.message for problem in Draft7Validator(specification).iter_errors(document)]

    assert problems == []


def test_the_dockerfile_passes_hadolint() -> None:
    linted = subprocess.run(
        [Path(sys.executable).parent / "hadolint", "Dockerfile"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert (linted.returncode, linted.stdout) == (0, "")


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.package)
def test_every_setting_in_env_reaches_its_container(compose: ComposeFile, service: Any) -> None:
    settings = {variable: f"value of {variable}" for variable in passed_on(service)}

    environment = compose.environment(service.container, {**SECRETS, **settings})

    assert settings.items() <= environment.items()


def test_every_key_and_address_of_a_vendor_reaches_the_llm_provider_and_nothing_else(
    compose: ComposeFile,
) -> None:
    settings = {
        f"{one.settings.model_config['env_prefix']}{name.upper()}": "set"
        for one in registrations().values()
        for name in one.settings.model_fields
    }

    given = {**SECRETS, **settings}

    assert settings.items() <= compose.environment("llm-provider", given).items()
    assert not settings.keys() & compose.environment("cj-assessment", given).keys()
    assert not settings.keys() & compose.environment("batch-conductor", given).keys()


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.package)
def test_what_is_not_set_is_left_to_the_services_defaults(compose: ComposeFile, service: Any) -> None:
    environment = compose.environment(service.container, SECRETS)

    assert not set(passed_on(service)) & environment.keys()
    assert "" not in environment.values()


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.package)
def test_no_service_starts_without_its_secrets(compose: ComposeFile, service: Any) -> None:
    with pytest.raises(VariableMissing):
        compose.environment(service.container, {})


def test_every_long_running_container_is_bounded_and_watched(compose: ComposeFile) -> None:
    running = {name: one for name, one in compose.services.items() if "restart" in one}

    assert {service.container for service in SERVICES} < running.keys()
    for name, service in compose.services.items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
    for name, service in running.items():
        assert "healthcheck" in service, name
        assert service["logging"]["options"]["max-size"], name
    for installed in SERVICES:
        container = compose.services[installed.container]
        assert container["read_only"]
        assert container["cap_drop"] == ["ALL"]
        assert container["depends_on"]["migrations"] == {"condition": "service_completed_successfully"}
        assert container["depends_on"]["topics"] == {"condition": "service_completed_successfully"}


def test_every_port_is_published_on_loopback_alone(compose: ComposeFile) -> None:
    published = [port for one in compose.services.values() for port in one.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_defaults_of_the_example_are_the_services_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = dict(
        line.removeprefix("# ").split("=", 1)
        for line in environment_example().splitlines()
        if line.startswith("# ")
        and line.split("=", 1)[0].removeprefix("# ").isupper()
        and not line.endswith("=")
    )
    required = {
        "database_url": "postgresql+asyncpg://nowhere/x",
        "callback_signing_secret": "whsec_" + "A" * 43 + "=",
        "llm_provider_url": "http://nowhere",
        "default_provider": "mock",
    }
    for service in SERVICES:
        given = {name: value for name, value in required.items() if name in service.settings.model_fields}
        plain = service.settings(event_bus="memory", **given)  # type: ignore[arg-type]
        with monkeypatch.context() as patched:
            for name, value in shown.items():
                patched.setenv(name, value)
            read = service.settings(event_bus="memory", **given)  # type: ignore[arg-type]
        ignored = {"vendor_settings"}
        assert read.model_dump(exclude=ignored) == plain.model_dump(exclude=ignored)


def test_what_watches_the_suite_is_started_on_demand_and_finds_its_files(compose: ComposeFile) -> None:
    watching = {"prometheus", "alertmanager", "loki", "alloy", "grafana"}

    assert {
        name for name, one in compose.services.items() if one.get("profiles") == ["observability"]
    } == watching
    for name in watching:
        mounted = [volume.split(":") for volume in compose.services[name]["volumes"]]
        own = [source for source, *_ in mounted if source.startswith("./")]
        assert own, name
        assert all((ROOT / source).exists() for source in own), name
        assert all(mode == ["ro"] for source, _, *mode in mounted if source.startswith(("./", "/"))), name


def test_loki_labels_are_service_and_level_alone() -> None:
    configuration = (ROOT / "deploy/observability/alloy/config.alloy").read_text("utf-8")

    assert 'stage.label_keep {\n    values = ["service", "level"]' in configuration
