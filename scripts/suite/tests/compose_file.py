"""docker-compose.yml as Docker Compose reads it: bases merged, variables filled in, what is not set left out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:\?|:-)(?P<rest>[^}]*))?\}")


class VariableMissing(KeyError):
    """A variable that the file says is required is not set."""


@dataclass(frozen=True)
class ComposeFile:
    """The file's services, with what each of them extends."""

    services: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, path: Path = ROOT / "docker-compose.yml") -> "ComposeFile":
        document = yaml.safe_load(path.read_text("utf-8"))
        services = {name: _merged(service, path.parent) for name, service in document["services"].items()}
        return cls(services)

    def environment(self, service: str, given: Mapping[str, str]) -> dict[str, str]:
        """The environment of a container, where ``given`` is what .env and the shell set."""
        declared: Mapping[str, Any] = self.services[service].get("environment", {})
        filled = {
            name: given.get(name) if value is None else _filled(str(value), given)
            for name, value in declared.items()
        }
        return {name: value for name, value in filled.items() if value is not None}


def _merged(service: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    if "extends" not in service:
        return service
    extends = service["extends"]
    base = yaml.safe_load((folder / extends["file"]).read_text("utf-8"))["services"][extends["service"]]
    environment = {**base.get("environment", {}), **service.get("environment", {})}
    return {**base, **service, "environment": environment}


def _filled(text: str, given: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        own = given.get(found["name"], "")
        if own or found["how"] is None:
            return own
        if found["how"] == ":?":
            raise VariableMissing(found["name"])
        return found["rest"]

    return VARIABLE.sub(value, text)
