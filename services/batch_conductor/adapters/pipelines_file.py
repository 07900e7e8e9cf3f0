"""Reads ``pipelines.yaml``: the rules of pipelines, checked before they are used."""

from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Annotated, Final, Literal

import yaml
from event_contracts import ConfigurationError, Name, PhaseName, WireModel, validation_reasons
from pydantic import ConfigDict, Field, JsonValue, ValidationError

from batch_conductor.domain.errors import DependencyCycle, UnresolvableDependency
from batch_conductor.domain.gates import GateName
from batch_conductor.domain.pipeline import PipelineName, PipelineRules, Step

MAX_FILE_BYTES: Final = 256 * 1024
SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
SNAKE_CASE: Final = r"^[a-z][a-z0-9_]*$"


class _Strict(WireModel):
    """A misspelt key is an error, not an ignored one."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StepEntry(_Strict):
    """One phase: who runs it on which event, whose results it reads, and which gates stand before it."""

    name: PhaseName
    service_name: Name
    event_type: Name
    event_data_model: Name
    depends_on: Annotated[tuple[PhaseName, ...], Field(max_length=len(PhaseName))] = ()
    prerequisites: Annotated[tuple[GateName, ...], Field(max_length=len(GateName))] = ()


class PipelineEntry(_Strict):
    """What can be requested by this name: these phases, and everything that they need."""

    name: Annotated[Name, Field(max_length=100, pattern=SNAKE_CASE)]
    phases: Annotated[tuple[PhaseName, ...], Field(min_length=1, max_length=len(PhaseName))]


class PipelinesFile(_Strict):
    """Which pipelines a batch can be asked to go through, and what each of their phases needs."""

    version: Literal[1]
    steps: Annotated[tuple[StepEntry, ...], Field(min_length=1, max_length=len(PhaseName))]
    pipelines: Annotated[tuple[PipelineEntry, ...], Field(min_length=1, max_length=100)]


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, of which YAML would silently keep the last."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, object]:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"{key!r} is given twice", key_node.start_mark
            )
        seen.add(key)
    return dict(loader.construct_pairs(node, deep=True))


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def pipelines_schema() -> dict[str, JsonValue]:
    """The JSON Schema (2020-12) of ``pipelines.yaml``."""
    return {"$schema": SCHEMA_DIALECT, **PipelinesFile.model_json_schema()}


def load_pipelines(path: Path) -> PipelineRules:
    """The rules in a file; raises ``ConfigurationError``, with a line per problem that names its place."""
    file = _read(path)
    if twice := [*_given_twice(file)]:
        raise ConfigurationError("\n".join(f"{path}: {problem}" for problem in twice))
    try:
        return PipelineRules(
            [
                Step(
                    name=entry.name,
                    service_name=entry.service_name,
                    event_type=entry.event_type,
                    event_data_model=entry.event_data_model,
                    depends_on=entry.depends_on,
                    prerequisites=entry.prerequisites,
                )
                for entry in file.steps
            ],
            {PipelineName(entry.name): entry.phases for entry in file.pipelines},
        )
    except UnresolvableDependency as error:
        raise ConfigurationError("\n".join(f"{path}: {problem}" for problem in error.problems)) from error
    except DependencyCycle as error:
        raise ConfigurationError(f"{path}: {error.message}") from error


def _read(path: Path) -> PipelinesFile:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationError(f"{path}: is larger than {MAX_FILE_BYTES} bytes")
        content = yaml.load(path.read_text("utf-8"), _Loader)
        return PipelinesFile.model_validate(content)
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ConfigurationError(
            "\n".join(f"{path}: {reason}" for reason in validation_reasons(error))
        ) from error


def _given_twice(file: PipelinesFile) -> Iterable[str]:
    for place, names in (
        ("steps", [entry.name for entry in file.steps]),
        ("pipelines", [entry.name for entry in file.pipelines]),
    ):
        for number, name in enumerate(names):
            if name in names[:number]:
                yield f"{place}.{number}.name: {name} is a duplicate"
