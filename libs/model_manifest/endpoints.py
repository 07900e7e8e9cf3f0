"""Named endpoints: addresses at which an operator reaches models, each a provider of its own by the name it is given.

The file that LLM_PROVIDER_ENDPOINTS_FILE names (TOML, below 256 KiB) defines the protocol, URL and credentials of each,
what its models can do, and what they cost. It holds no key: a key is in the environment, under a name that the file
gives.
"""

import os
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from event_contracts import ConfigurationError, validation_reasons
from pydantic import ValidationError

from model_manifest.endpoint_models import model_at
from model_manifest.endpoint_settings import (
    VENDOR_HOSTS,
    EndpointModel,
    EndpointsFile,
    NamedEndpoint,
    is_host_of,
)
from model_manifest.model import Model
from model_manifest.provider_name import ProviderName

MAX_FILE_BYTES: Final = 256 * 1024
FILE_VARIABLE: Final = "LLM_PROVIDER_ENDPOINTS_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledEndpoint:
    """An endpoint under its name, with the models that it makes known."""

    name: ProviderName
    settings: NamedEndpoint
    models: tuple[Model, ...] = ()

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
        own = VENDOR_HOSTS.get(self.settings.kind)
        return own is not None and is_host_of(self.host, own)

    def missing(self) -> str | None:
        """The environment variable that has to be set before it can judge."""
        if self.base_url is None:
            return f"{self.prefix}_URL"
        if self.settings.needs_key and self.settings.token is None and self.key is None:
            return self.key_variable
        unset = [name for name in self.settings.header_variables.values() if not os.environ.get(name)]
        return unset[0] if unset else None


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
        installed = InstalledEndpoint(name=name, settings=endpoint)
        models = []
        for place, model in enumerate(endpoint.models):
            try:
                models.append(
                    model_at(
                        name,
                        endpoint,
                        model,
                        is_default=_is_default(endpoint, model),
                        is_the_vendors=installed.is_the_vendors,
                        known=known,
                    )
                )
            except ValidationError as error:
                problems.extend(
                    f"endpoints.{name}.models.{place}: {reason}" for reason in validation_reasons(error)
                )
            except ConfigurationError as error:
                problems.append(f"endpoints.{name}.models.{place}.like: {error.message}")
        found.append(replace(installed, models=tuple(models)))
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
