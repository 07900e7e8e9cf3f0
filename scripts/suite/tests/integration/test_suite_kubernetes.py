"""The Kubernetes manifests fit the published schemas, the services' settings, their topics and their tables."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml
from event_contracts import ALL_TOPICS
from jsonschema import Draft202012Validator
from service_kit.storage.database import migrate
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from suite.generated.environment import passed_on
from suite.installed import SERVICES, InstalledService

FOLDER: Final = Path(__file__).parents[4] / "documentation" / "operations" / "kubernetes"
KEDA: Final = "github.com/kedacore/keda/v2@v2.17.2"
VERSIONS: Final = ("1.31", "1.34")
MANIFESTS: Final[list[dict[str, Any]]] = [
    manifest
    for path in sorted(FOLDER.glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text("utf-8"))
]


def named(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def of_kind(kind: str) -> dict[str, Any]:
    return {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] == kind}


@pytest.fixture(scope="module")
def keda_schemas() -> dict[str, Any]:
    """KEDA's published definitions, by kind."""
    if shutil.which("go") is None and not os.environ.get("CI"):
        pytest.skip("no Go, through whose module proxy KEDA's definitions are downloaded")
    answer = subprocess.run(
        ["go", "mod", "download", "-json", KEDA], check=True, capture_output=True, text=True
    )
    folder = Path(json.loads(answer.stdout)["Dir"]) / "config" / "crd" / "bases"
    definitions = [yaml.safe_load(path.read_text("utf-8")) for path in folder.glob("keda.sh_*.yaml")]
    return {
        one["spec"]["names"]["kind"]: one["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for one in definitions
    }


def strict(schema: Any) -> Any:
    """The same schema, in which a field that is not named is an error."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(one) for name, one in schema.items()}
    if "properties" in closed and closed["properties"].keys() != {"additionalProperties"}:
        closed.setdefault("additionalProperties", False)
    return closed


@pytest.mark.parametrize("manifest", MANIFESTS, ids=named)
def test_a_manifest_fits_its_published_schema(
    manifest: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    if manifest["apiVersion"].startswith("keda.sh/"):
        schema = strict(request.getfixturevalue("keda_schemas")[manifest["kind"]])
        schema["properties"]["metadata"] = {"type": "object"}
        problems = [problem.message for problem in Draft202012Validator(schema).iter_errors(manifest)]
        assert problems == []
        return
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_field_fails_validation(keda_schemas: dict[str, Any]) -> None:
    scaled = next(one for one in MANIFESTS if one["kind"] == "ScaledObject")
    misspelt = {**scaled, "spec": {**scaled["spec"], "maxReplicas": 3}}

    assert list(Draft202012Validator(strict(keda_schemas["ScaledObject"])).iter_errors(misspelt))


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.package)
def test_a_deployment_gives_its_service_what_it_needs(
    service: InstalledService, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = of_kind("Deployment")[service.container]["spec"]["template"]["spec"]["containers"][0]
    given: dict[str, str] = {}
    for source in container["envFrom"]:
        ((_, reference),) = source.items()
        kind, field = ("ConfigMap", "data") if "configMapRef" in source else ("Secret", "stringData")
        given |= of_kind(kind)[reference["name"]][field]
    signed = {service.variable("callback_signing_secret"): "whsec_" + "A" * 43 + "="}
    for name, value in {**given, **signed}.items():
        monkeypatch.setenv(name, value)

    settings = service.settings()  # type: ignore[call-arg]  # the environment supplies what has no default

    known = {service.variable(name) for name in service.settings.model_fields} | set(passed_on(service))
    assert given.keys() <= known
    assert settings.http_host == "0.0.0.0"
    assert container["ports"][0]["containerPort"] == settings.http_port
    assert container["command"] == ["python", "-m", f"{service.package}.main"]


def triggers(kind: str) -> Iterator[tuple[str, dict[str, str]]]:
    for name, scaled in of_kind("ScaledObject").items():
        for trigger in scaled["spec"]["triggers"]:
            if trigger["type"] == kind:
                yield name, trigger["metadata"]


def test_scaling_looks_at_groups_and_topics_that_services_have() -> None:
    groups = {
        f"{service.package}_service": service.settings.model_fields["kafka_consumer_group"].default
        for service in SERVICES
        if "kafka_consumer_group" in service.settings.model_fields
    }
    consumed = {
        (groups[consumer], str(spec.topic))
        for spec in ALL_TOPICS
        for consumer in spec.consumers
        if consumer in groups
    }
    found = {(trigger["consumerGroup"], trigger["topic"]) for _, trigger in triggers("kafka")}

    assert len(found) == 3
    assert found <= consumed


@pytest.mark.parametrize("service", SERVICES[:2], ids=lambda service: service.package)
async def test_the_queries_of_the_scalers_return_one_number(
    service: InstalledService, make_database: Callable[[str], str]
) -> None:
    database = make_database("scaling")
    await migrate(database, service.migrations)
    queries = [trigger["query"] for name, trigger in triggers("postgresql") if name == service.container]
    assert queries
    engine = create_async_engine(database, poolclass=NullPool)

    async with engine.connect() as connection:
        for query in queries:
            assert float((await connection.execute(text(query))).scalar_one()) == 0


def test_nothing_runs_as_root_or_writes_its_image() -> None:
    pods = [
        one["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for one in of_kind(kind).values()
    ]

    assert len(pods) == len(SERVICES) + 2
    for pod in pods:
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
