"""The models of ``models.toml``, read once and checked."""

import tomllib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import Literal, Self

from event_contracts import (
    ConfigurationError,
    InvalidLlmConfig,
    LLMProvider,
    OutputVerbosity,
    ReasoningEffort,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

ANY_MODEL = "*"

StructuredOutput = Literal["json_schema", "tool", "json_object", "prompt"]


class Limits(BaseModel):
    """What a vendor allows an ordinary account; the LLM Provider's settings may say otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: int = Field(gt=0)
    input_tokens_per_minute: int = Field(gt=0)
    output_tokens_per_minute: int = Field(gt=0)
    concurrency: int = Field(gt=0)


class Model(BaseModel):
    """One model: what it can do, until when, and under which id its price is found. Sizes are in tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: LLMProvider
    id: str = Field(min_length=1)
    family: str
    name: str
    default: bool = False
    free: bool = False
    price_id: str | None = None
    context_window: int = Field(gt=0)
    output_limit: int = Field(gt=0)
    structured_output: StructuredOutput
    temperature: tuple[float, float] | None = None
    reasoning_efforts: tuple[ReasoningEffort, ...] = ()
    verbosities: tuple[OutputVerbosity, ...] = ()
    max_tokens_parameter: str = "max_tokens"
    prompt_caching: bool = False
    batch_api: bool = False
    released: date | None = None
    deprecated: bool = False
    retires: date | None = None
    successor: str | None = None
    limits: Limits

    @model_validator(mode="after")
    def _dates_are_in_order(self) -> Self:
        if self.released and self.retires and self.released >= self.retires:
            raise ValueError(f"{self.id} retires before it is released")
        if self.deprecated and self.successor is None:
            raise ValueError(f"{self.id} is deprecated: name its successor")
        return self

    def is_retired(self, today: date) -> bool:
        """True from the day on which the vendor refuses it."""
        return self.retires is not None and today >= self.retires


def list_providers() -> tuple[LLMProvider, ...]:
    """Every provider that has a model."""
    return tuple(dict.fromkeys(model.provider for model in _models()))


def list_models(
    *, provider: str | None = None, include_deprecated: bool = False, today: date | None = None
) -> tuple[Model, ...]:
    """Models that can be used today; deprecated and retired ones only when asked for.

    Raises ``InvalidLlmConfig`` for an unknown provider.
    """
    wanted = _models() if provider is None else models_of(provider)
    day = today or datetime.now(UTC).date()
    return tuple(
        model for model in wanted if include_deprecated or not (model.deprecated or model.is_retired(day))
    )


def models_of(provider: str) -> tuple[Model, ...]:
    """All models of a provider; raises ``InvalidLlmConfig`` naming the providers there are."""
    found = tuple(model for model in _models() if model.provider == provider)
    if not found:
        raise InvalidLlmConfig(
            f"unknown provider {provider!r}: use one of {', '.join(list_providers())}",
            details={"valid_providers": [str(name) for name in list_providers()]},
        )
    return found


def get_model(provider: str, model_id: str) -> Model:
    """One model; raises ``InvalidLlmConfig`` naming the provider's models."""
    candidates = models_of(provider)
    for model in candidates:
        if model.id == model_id:
            return model
    if candidates[0].id == ANY_MODEL:
        return candidates[0].model_copy(update={"id": model_id})
    names = [model.id for model in candidates]
    raise InvalidLlmConfig(
        f"{provider} has no model {model_id!r}: use one of {', '.join(names)}",
        details={"valid_models": list(names)},
    )


def default_model(provider: str) -> Model:
    """The model that judges when only the provider is named."""
    return next(model for model in models_of(provider) if model.default)


def providers_with(model_id: str) -> tuple[LLMProvider, ...]:
    """Providers that list a model of this id."""
    return tuple(model.provider for model in _models() if model.id == model_id)


@cache
def _models() -> tuple[Model, ...]:
    return read_manifest(files("model_manifest").joinpath("models.toml").read_text("utf-8"))


def read_manifest(text: str) -> tuple[Model, ...]:
    """Read and check a manifest; raises ``ConfigurationError``."""
    try:
        models = tuple(Model.model_validate(entry) for entry in tomllib.loads(text)["models"])
    except (tomllib.TOMLDecodeError, KeyError, ValidationError) as error:
        raise ConfigurationError(f"models.toml: {error}") from error
    _check_unique(models)
    return models


def _check_unique(models: Iterable[Model]) -> None:
    models = tuple(models)
    ids = Counter((model.provider, model.id) for model in models)
    repeated = [f"{provider}/{model}" for (provider, model), times in ids.items() if times > 1]
    if repeated:
        raise ConfigurationError(f"models.toml lists twice: {', '.join(repeated)}")
    for provider in {model.provider for model in models}:
        defaults = [model for model in models if model.provider == provider and model.default]
        if len(defaults) != 1 or defaults[0].deprecated:
            raise ConfigurationError(
                f"models.toml: {provider} needs exactly one default that is not deprecated"
            )
