"""The models of ``models.toml`` and of the installation's named endpoints, read once and checked."""

import os
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from event_contracts import ConfigurationError, InvalidLlmConfig, LLMProvider
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from model_manifest.endpoints import InstalledEndpoint, endpoints_file, load_endpoints
from model_manifest.families import Families, Family, Untracked
from model_manifest.model import ANY_MODEL, Endpoint, Limits, Model
from model_manifest.price_list import price_list_entry
from model_manifest.provider_name import ProviderName, is_this_machine

SELF_HOSTED: Final = "LLM_PROVIDER_OPENAI_COMPATIBLE_"
"""What the settings of the self-hosted server begin with."""

_FLAG: Final = TypeAdapter(bool)
"""Reads a setting as the service that owns it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that ``models.toml`` says, and the endpoints that the installation has named."""

    models: tuple[Model, ...]
    families: Families
    endpoints: tuple[Endpoint, ...] = ()
    named: tuple[InstalledEndpoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """A model that its vendor will refuse, in ``days_left`` days."""

    model: Model
    retires: date
    days_left: int


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[Model, ...]
    families: tuple[Family, ...] = ()
    untracked: tuple[Untracked, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    limits: dict[ProviderName, Limits] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _limits_are_inherited(cls, document: Any) -> Any:  # TOML, not yet validated
        limits = document.get("limits", {})
        models = [
            {"limits": limits.get(entry.get("provider")), **entry} for entry in document.get("models", ())
        ]
        return {**document, "models": models}


def list_providers() -> tuple[ProviderName, ...]:
    """Every provider that has a model."""
    return tuple(dict.fromkeys(model.provider for model in manifest().models))


def list_models(
    *, provider: str | None = None, include_deprecated: bool = False, today: date | None = None
) -> tuple[Model, ...]:
    """Models that can be used today; deprecated and retired ones only when asked for.

    Raises ``InvalidLlmConfig`` for an unknown provider.
    """
    wanted = manifest().models if provider is None else models_of(provider)
    day = today or _today()
    return tuple(
        model for model in wanted if include_deprecated or not (model.deprecated or model.is_retired(day))
    )


def models_of(provider: str) -> tuple[Model, ...]:
    """All models of a provider; raises ``InvalidLlmConfig`` naming the providers there are."""
    found = tuple(model for model in manifest().models if model.provider == provider)
    if not found:
        raise InvalidLlmConfig(
            f"unknown provider {provider!r}: use one of {', '.join(list_providers())}",
            details={"valid_providers": [str(name) for name in list_providers()]},
        )
    return found


def get_model(provider: str, model_id: str) -> Model:
    """One model; raises ``InvalidLlmConfig`` naming the provider's models.

    A self-hosted server has whatever model it was started with, so any id but none is one of its models; OpenRouter
    has those that the price list has of it.
    """
    return _find(models_of(provider), provider, model_id)


def _find(candidates: Sequence[Model], provider: str, model_id: str) -> Model:
    for model in candidates:
        if model.id == model_id and model_id != ANY_MODEL:
            return model
    every = next((model for model in candidates if model.id == ANY_MODEL), None)
    if every is not None and (found := _any_model(every, model_id)) is not None:
        return found
    names = [model.id for model in candidates if not model.deprecated and model.id != ANY_MODEL]
    raise _unknown_model(provider, model_id, names)


def _any_model(entry: Model, model_id: str) -> Model | None:
    """The model that an entry for every model stands for; None where its vendor is not known to have it."""
    if model_id.strip() in ("", ANY_MODEL):
        raise InvalidLlmConfig(
            f"{entry.provider} serves the model that it was started with: set model_override"
        )
    if entry.provider == LLMProvider.OPENROUTER:
        found = entry.model_copy(update={"id": model_id, "name": f"{model_id} through OpenRouter"})
        return found if price_list_entry(found) is not None else None
    is_free = entry.free or (entry.provider == LLMProvider.OPENAI_COMPATIBLE and _costs_nothing())
    return entry.model_copy(update={"id": model_id, "free": is_free})


def _costs_nothing() -> bool:
    """The operator's setting for the self-hosted server, else its address: what runs on this machine is free."""
    said = os.environ.get(f"{SELF_HOSTED}FREE", "").strip()
    if said:
        try:
            return _FLAG.validate_python(said)
        except ValidationError as error:
            raise ConfigurationError(
                f"{SELF_HOSTED}FREE is {said!r}: set it to true or false, or leave it out"
            ) from error
    return is_this_machine(os.environ.get(f"{SELF_HOSTED}URL", ""))


def _unknown_model(provider: str, model_id: str, names: Sequence[str]) -> InvalidLlmConfig:
    near = get_close_matches(model_id, names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return InvalidLlmConfig(
        f"{provider} has no model {model_id!r}{hint}: use one of {', '.join(names)}",
        details={"valid_models": list(names)},
    )


def endpoints_of(provider: str) -> tuple[Endpoint, ...]:
    """The known endpoints of a provider, its usual one first; none for a self-hosted server."""
    return tuple(endpoint for endpoint in manifest().endpoints if endpoint.provider == provider)


def default_model(provider: str) -> Model:
    """The model that judges when only the provider is named; of a self-hosted server, the entry for any model."""
    return next(model for model in models_of(provider) if model.default)


def providers_with(model_id: str) -> tuple[ProviderName, ...]:
    """Providers that list a model of this id."""
    return tuple(model.provider for model in manifest().models if model.id == model_id)


def retiring_within(days: int, *, today: date | None = None) -> tuple[Retirement, ...]:
    """Models that can be used today and that their vendor refuses within ``days``, the soonest first."""
    day = today or _today()
    coming = [
        Retirement(model=model, retires=model.retires, days_left=(model.retires - day).days)
        for model in manifest().models
        if model.retires is not None and day < model.retires
    ]
    soon = [retirement for retirement in coming if retirement.days_left <= days]
    return tuple(sorted(soon, key=lambda retirement: (retirement.days_left, retirement.model.full_name)))


def manifest() -> Manifest:
    """The manifest of this installation; raises ``ConfigurationError`` for an endpoints file that is wrong."""
    path = endpoints_file()
    return _shipped() if path is None else _with_endpoints(str(path))


@cache
def _shipped() -> Manifest:
    return read_manifest(files("model_manifest").joinpath("models.toml").read_text("utf-8"))


@cache
def _with_endpoints(path: str) -> Manifest:
    """The manifest with the endpoints of a file, which is read once: a service is started again after a change."""
    shipped = _shipped()
    providers = tuple(dict.fromkeys(str(model.provider) for model in shipped.models))

    def known(provider: str, model_id: str) -> Model:
        candidates = [model for model in shipped.models if model.provider == provider]
        if not candidates:
            raise ConfigurationError(f"unknown provider {provider}: use one of {', '.join(providers)}")
        try:
            return _find(candidates, provider, model_id)
        except InvalidLlmConfig as error:
            raise ConfigurationError(error.message) from error

    named = load_endpoints(Path(path), known=known, taken=providers)
    return Manifest(
        models=(*shipped.models, *(model for endpoint in named for model in endpoint.models)),
        families=shipped.families,
        endpoints=(
            *shipped.endpoints,
            *(
                Endpoint(provider=endpoint.name, host=endpoint.host, region=endpoint.settings.region)
                for endpoint in named
                if endpoint.settings.region is not None
            ),
        ),
        named=named,
    )


def named_endpoint(provider: str) -> InstalledEndpoint | None:
    """The named endpoint of a provider; None for a vendor."""
    return next((endpoint for endpoint in manifest().named if endpoint.name == provider), None)


def read_manifest(text: str) -> Manifest:
    """Read and check a manifest; raises ``ConfigurationError``."""
    try:
        document = _Document.model_validate(tomllib.loads(text, parse_float=Decimal))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigurationError(f"models.toml: {error}") from error
    families = Families(tracked=document.families, untracked=document.untracked)
    complaints = _complaints(document.models, families)
    if complaints:
        raise ConfigurationError(f"models.toml: {'; '.join(complaints)}")
    return Manifest(models=document.models, families=families, endpoints=document.endpoints)


def _complaints(models: Sequence[Model], families: Families) -> list[str]:
    return [
        *_repeated(models),
        *(f"{name} needs exactly one default" for name in _providers_without_default(models)),
        *(complaint for model in models for complaint in _complaints_about(model, models, families)),
    ]


def _repeated(models: Sequence[Model]) -> list[str]:
    times = Counter(model.full_name for model in models)
    return [f"{name} is listed twice" for name, count in times.items() if count > 1]


def _providers_without_default(models: Sequence[Model]) -> list[str]:
    defaults = Counter(model.provider for model in models if model.default and not model.deprecated)
    return [name for name in dict.fromkeys(model.provider for model in models) if defaults[name] != 1]


def _complaints_about(model: Model, models: Sequence[Model], families: Families) -> list[str]:
    found = []
    lasting = {other.id for other in models if other.provider == model.provider and not other.deprecated}
    if model.successor is not None and model.successor not in lasting:
        found.append(f"{model.full_name} is succeeded by {model.successor}, which is not there or deprecated")
    tracked = families.of(model.provider).tracked
    if tracked and not any(
        family.name == model.family and family.version_of(model.id) is not None for family in tracked
    ):
        found.append(f"{model.full_name} does not fit the pattern of a family called {model.family}")
    return found


def _today() -> date:
    return datetime.now(UTC).date()
