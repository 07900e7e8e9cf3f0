"""Named endpoints: addresses at which an operator reaches models, each a provider of its own by the name it is given.

The file that LLM_PROVIDER_ENDPOINTS_FILE names (TOML, below 256 KiB) says what each speaks, where it is, who asks, what
its models can do, and what they cost. It holds no key: a key is in the environment, under a name that the file says.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from event_contracts import ConfigurationError, OutputVerbosity, ReasoningEffort, validation_reasons
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)

from model_manifest.model import (
    ANY_MODEL,
    REGION_PATTERN,
    Limits,
    Model,
    NoReasoning,
    PromptCaching,
    StructuredOutput,
)
from model_manifest.own_price import Factor, OwnPrice
from model_manifest.provider_name import ProviderName

MAX_FILE_BYTES: Final = 256 * 1024
MAX_ENDPOINTS: Final = 50
MAX_MODELS: Final = 200
FILE_VARIABLE: Final = "LLM_PROVIDER_ENDPOINTS_FILE"
SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MINUTES_A_DAY: Final = 1_440

EndpointKind = Literal["openai", "openai_chat", "anthropic", "google", "openrouter"]
"""What an endpoint speaks: OpenAI's Responses API, its chat completions, Anthropic's Messages API, Google's
generateContent, OpenRouter's chat completions."""

VENDOR_HOSTS: Final[Mapping[str, str]] = {
    "openai": "openai.com",
    "google": "generativelanguage.googleapis.com",
    "openrouter": "openrouter.ai",
}
"""Whose own fields may be sent: an endpoint elsewhere gets the dialect without them."""

UNLISTED: Final = "none"
"""The price list's vendor of a model that is not to be looked up there."""

_ALL_EFFORTS: Final = tuple(ReasoningEffort)

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,127}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,500}$")]
Note = Annotated[str, StringConstraints(min_length=1, max_length=300)]
ModelId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]
Whole = Annotated[int, Field(gt=0, le=1_000_000_000_000)]


class _Strict(BaseModel):
    """A misspelt key is an error, not an ignored one."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class EndpointLimits(_Strict):
    """What the account may use, by the minute or by the day; a day's allowance is used evenly over the day."""

    requests_per_minute: Whole | None = None
    requests_per_day: Whole | None = None
    input_tokens_per_minute: Whole | None = None
    output_tokens_per_minute: Whole | None = None
    tokens_per_minute: Whole | None = None
    tokens_per_day: Whole | None = None
    concurrency: Annotated[int, Field(gt=0, le=10_000)] | None = None

    @property
    def requests(self) -> float | None:
        """Requests per minute, as the tighter of the two says."""
        return _tighter(self.requests_per_minute, self.requests_per_day)

    @property
    def tokens(self) -> float | None:
        """Tokens per minute, input and output together, as the tighter of the two says."""
        return _tighter(self.tokens_per_minute, self.tokens_per_day)


class EndpointModel(_Strict):
    """A model of an endpoint: one of the manifest's (``like``), or one that is described here.

    What is given here comes before what ``like`` says. ``price_list`` names the entry of genai-prices that its price is
    in, as ``vendor/id``; without it, ``price``, ``like`` or ``free`` the price is unknown, and no budget starts. ``id``
    is what the endpoint calls it: a deployment's name, an inference profile. ``*`` is whatever the server was started
    with.
    """

    id: ModelId
    like: ModelId | None = None
    name: Note | None = None
    default: bool = False
    free: bool = False
    price: OwnPrice | None = None
    price_list: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,60}/[!-~]{1,200}$")] | None = None
    context_window: Whole | None = None
    output_limit: Whole | None = None
    structured_output: StructuredOutput | None = None
    temperature: tuple[float, float] | None = None
    reasoning_efforts: Annotated[tuple[ReasoningEffort, ...], Field(max_length=4)] | None = None
    default_effort: ReasoningEffort | None = None
    no_reasoning: NoReasoning | None = None
    verbosities: Annotated[tuple[OutputVerbosity, ...], Field(max_length=3)] | None = None
    prompt_caching: PromptCaching | None = None
    token_probabilities: bool | None = None
    batch_api: bool = False

    @model_validator(mode="after")
    def _has_one_price(self) -> Self:
        if sum((self.free, self.price is not None, self.price_list is not None)) > 1:
            raise ValueError("free, price and price_list contradict each other: keep one")
        return self


class NamedEndpoint(_Strict):
    """An address at which models are reached.

    ``key_variable`` names the environment variable that holds the key; without it, LLM_PROVIDER_ENDPOINT_<NAME>_KEY.
    ``key_header`` is the header that carries it where it is another one than the dialect's own; ``authorization`` makes
    it a bearer token. ``token``: ``google`` asks Google's library for one and renews it. ``header_variables`` are
    headers whose values are in the environment. ``price_factor`` multiplies every price. ``tokens_field`` and
    ``json_object_schema`` are for chat completions: how the longest answer is told, and whether the server takes a
    schema with ``json_object`` alone, as llama-cpp-python does.
    """

    kind: EndpointKind
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{1,500}$")] | None = None
    key_variable: VariableName | None = None
    key_header: HeaderName | None = None
    needs_key: bool = True
    token: Literal["google"] | None = None
    headers: Annotated[dict[HeaderName, HeaderValue], Field(max_length=20)] = Field(default_factory=dict)
    header_variables: Annotated[dict[HeaderName, VariableName], Field(max_length=20)] = Field(
        default_factory=dict
    )
    region: Annotated[str, StringConstraints(pattern=REGION_PATTERN)] | None = None
    retention: Note | None = None
    price_factor: Factor = Decimal(1)
    limits: EndpointLimits = EndpointLimits()
    tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    json_object_schema: bool = False
    models: Annotated[tuple[EndpointModel, ...], Field(min_length=1, max_length=MAX_MODELS)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.token is not None and (self.key_variable or self.key_header):
            raise ValueError("token and a key contradict each other: keep one")
        ids = [model.id for model in self.models]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise ValueError(f"models: {', '.join(twice)} is given twice")
        if sum(model.default for model in self.models) > 1:
            raise ValueError("models: only one can be the default")
        if any(model.batch_api for model in self.models) and self.kind in ("openai_chat", "openrouter"):
            raise ValueError(f"models: kind {self.kind} has no batch API")
        return self


class EndpointsFile(_Strict):
    """The endpoints of an installation, by the names that they get as providers."""

    version: Literal[1] = 1
    endpoints: Annotated[dict[ProviderName, NamedEndpoint], Field(max_length=MAX_ENDPOINTS)] = Field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledEndpoint:
    """An endpoint under its name, with the models that it makes known."""

    name: ProviderName
    settings: NamedEndpoint
    models: tuple[Model, ...]

    @property
    def key_variable(self) -> str:
        """The environment variable of its key."""
        return self.settings.key_variable or f"{self.prefix}_KEY"

    @property
    def prefix(self) -> str:
        """What its own environment variables begin with."""
        return f"LLM_PROVIDER_ENDPOINT_{self.name.upper()}"

    @property
    def base_url(self) -> str | None:
        """Its address: LLM_PROVIDER_ENDPOINT_<NAME>_URL comes before what the file says."""
        return os.environ.get(f"{self.prefix}_URL") or self.settings.base_url

    @property
    def host(self) -> str:
        """The host of its address; empty where there is none."""
        return (urlsplit(self.base_url or "").hostname or "").lower()

    @property
    def key(self) -> str | None:
        """Its key from the environment; None where none is set."""
        return os.environ.get(self.key_variable) or None

    @property
    def is_the_vendors(self) -> bool:
        """True where it is at the dialect's own vendor, so that this vendor's own fields may be sent."""
        own = VENDOR_HOSTS.get(self.settings.kind, "")
        return bool(own) and (self.host == own or self.host.endswith(f".{own}"))

    def missing(self) -> str | None:
        """The environment variable that has to be set before it can judge."""
        if self.base_url is None:
            return f"{self.prefix}_URL"
        if self.settings.needs_key and self.settings.token is None and self.key is None:
            return self.key_variable
        unset = [name for name in self.settings.header_variables.values() if not os.environ.get(name)]
        return unset[0] if unset else None


def endpoints_schema() -> dict[str, JsonValue]:
    """The JSON Schema (2020-12) of the endpoints file."""
    return {"$schema": SCHEMA_DIALECT, **EndpointsFile.model_json_schema()}


def endpoints_file() -> Path | None:
    """The file that the environment names."""
    named = os.environ.get(FILE_VARIABLE, "").strip()
    return Path(named) if named else None


def load_endpoints(
    path: Path, *, known: Callable[[str, str], Model], taken: Sequence[str]
) -> tuple[InstalledEndpoint, ...]:
    """The endpoints in a file; ``known`` finds a model of the manifest, ``taken`` are the names of its providers.

    Raises ``ConfigurationError``, with a line per problem that names its place.
    """
    file = _read(path)
    found, problems = [], []
    for name, endpoint in file.endpoints.items():
        if name in taken:
            problems.append(f"endpoints.{name}: a vendor has this name already: choose another")
            continue
        models = []
        for place, model in enumerate(endpoint.models):
            try:
                models.append(
                    _model(name, endpoint, model, is_default=_is_default(endpoint, model), known=known)
                )
            except ValidationError as error:
                problems.extend(
                    f"endpoints.{name}.models.{place}: {reason}" for reason in validation_reasons(error)
                )
            except ConfigurationError as error:
                problems.append(f"endpoints.{name}.models.{place}.like: {error.message}")
        found.append(InstalledEndpoint(name=name, settings=endpoint, models=tuple(models)))
    if problems:
        raise ConfigurationError("\n".join(f"{path}: {problem}" for problem in problems))
    return tuple(found)


def _read(path: Path) -> EndpointsFile:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationError(f"{path}: is larger than {MAX_FILE_BYTES} bytes")
        content = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
        return EndpointsFile.model_validate(content)
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({type(error).__name__})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(
            "\n".join(f"{path}: {reason}" for reason in validation_reasons(error))
        ) from None


def _is_default(endpoint: NamedEndpoint, model: EndpointModel) -> bool:
    named = [one for one in endpoint.models if one.default]
    return model is (named[0] if named else endpoint.models[0])


def _model(
    name: ProviderName,
    endpoint: NamedEndpoint,
    model: EndpointModel,
    *,
    is_default: bool,
    known: Callable[[str, str], Model],
) -> Model:
    base = _described(endpoint) if model.like is None else _known(model.like, known)
    fields: dict[str, object] = {key: getattr(base, key) for key in Model.model_fields}
    fields |= {
        "provider": name,
        "id": model.id,
        "name": model.name or (f"{base.name} at {name}" if model.like else f"{model.id} at {name}"),
        "default": is_default,
        "price_factor": endpoint.price_factor,
        "retention": endpoint.retention or base.retention,
        "batch_api": model.batch_api,
        "limits": _limits(endpoint.limits, base.limits),
        "free": model.free,
    }
    return Model.model_validate({**fields, **_priced(model, base), **_capabilities(endpoint, model, base)})


def _priced(model: EndpointModel, base: Model) -> dict[str, object]:
    """Where its price is: never where its name, or its endpoint's, happens to look like one in the list."""
    nowhere: dict[str, object] = {
        "own_prices": (),
        "price_provider": UNLISTED,
        "price_id": None,
        "reviewed_price": None,
    }
    if model.free:
        return nowhere
    if model.price is not None:
        return {**nowhere, "own_prices": (model.price,)}
    if model.price_list is not None:
        vendor, _, listed = model.price_list.partition("/")
        return {**nowhere, "price_provider": vendor, "price_id": listed}
    if model.like is None:
        return nowhere
    return {
        "own_prices": base.own_prices,
        "price_provider": base.price_provider or base.provider,
        "price_id": base.price_id or base.id,
    }


def _capabilities(endpoint: NamedEndpoint, model: EndpointModel, base: Model) -> dict[str, object]:
    given = {
        key: value
        for key in (
            *("context_window", "output_limit", "structured_output", "temperature", "reasoning_efforts"),
            *("default_effort", "no_reasoning", "verbosities", "prompt_caching", "token_probabilities"),
        )
        if (value := getattr(model, key)) is not None
    }
    efforts = given.get("reasoning_efforts")
    if isinstance(efforts, tuple):
        silent = ReasoningEffort.NONE in efforts
        given.setdefault("no_reasoning", _silence(endpoint.kind, base) if silent else None)
        given.setdefault("default_effort", base.default_effort if base.default_effort in efforts else None)
        given["temperature_needs_no_reasoning"] = silent and base.temperature_needs_no_reasoning
    if endpoint.kind == "openai" and "prompt_caching" not in given:
        host = (urlsplit(endpoint.base_url or "").hostname or "").lower()
        if not host.endswith(VENDOR_HOSTS["openai"]):
            given["prompt_caching"] = "automatic"
    return given


def _silence(kind: EndpointKind, base: Model) -> NoReasoning:
    if base.no_reasoning is not None:
        return base.no_reasoning
    if kind == "anthropic":
        return "thinking_disabled"
    return "budget_zero" if kind == "google" else "effort_none"


def _described(endpoint: NamedEndpoint) -> Model:
    """What an endpoint's model is where nothing is said of it: it may reason, so that its answer gets room for that."""
    can_be_silent = endpoint.kind in ("openai_chat", "openrouter")
    return Model(
        provider="mock",
        id=ANY_MODEL,
        family="endpoint",
        name="a model of an endpoint",
        structured_output="json_schema",
        temperature=(0.0, 2.0) if can_be_silent else None,
        reasoning_efforts=_ALL_EFFORTS if can_be_silent else _ALL_EFFORTS[1:],
        no_reasoning="effort_none" if can_be_silent else None,
        prompt_caching="breakpoints" if endpoint.kind == "anthropic" else None,
        limits=_USUAL_LIMITS,
    )


def _known(like: str, known: Callable[[str, str], Model]) -> Model:
    provider, slash, model_id = like.partition("/")
    if not slash:
        raise ConfigurationError("write provider/model, as `cj-suite models list` has them")
    return known(provider, model_id)


_USUAL_LIMITS: Final = Limits(
    requests_per_minute=300,
    input_tokens_per_minute=500_000,
    output_tokens_per_minute=100_000,
    concurrency=16,
)


def _limits(own: EndpointLimits, usual: Limits) -> Limits:
    return Limits(
        requests_per_minute=own.requests or usual.requests_per_minute,
        input_tokens_per_minute=own.input_tokens_per_minute or usual.input_tokens_per_minute,
        output_tokens_per_minute=own.output_tokens_per_minute or usual.output_tokens_per_minute,
        tokens_per_minute=own.tokens,
        concurrency=own.concurrency or usual.concurrency,
    )


def _tighter(a_minute: int | None, a_day: int | None) -> float | None:
    each = [a_minute, None if a_day is None else a_day / MINUTES_A_DAY]
    return min((one for one in each if one is not None), default=None)


_VERSION: Final = re.compile(r"v[0-9]+(?:(?:alpha|beta)[0-9]*)?")


def without_version(base_url: str) -> str:
    """An address without the version at its end: ``https://host/openai/v1/`` means ``https://host/openai``."""
    url = base_url.rstrip("/")
    head, _, last = url.rpartition("/")
    return head if _VERSION.fullmatch(last) else url


def with_version(base_url: str) -> str:
    """An address with its version: ``/v1`` is added unless some part of the path is a version already."""
    url = base_url.rstrip("/")
    parts = urlsplit(url).path.split("/")
    return url if any(_VERSION.fullmatch(part) for part in parts) else f"{url}/v1"
