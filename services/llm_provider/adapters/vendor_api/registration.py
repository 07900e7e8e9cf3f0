"""How a provider registers itself: one folder under ``adapters/vendors`` whose package holds a ``REGISTRATION``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

import httpx2
from event_contracts import ConfigurationError, validation_reasons
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.requests.prompt import StructuredOutput
from llm_provider.ports import BatchJudge, Judge

ENVIRONMENT_PREFIX = "LLM_PROVIDER_"


class VendorSettings(BaseSettings):
    """Settings of one provider; each registration has a subclass with its own environment prefix."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True
    )


class AccountSettings(VendorSettings):
    """What most vendors need: a key, and the address of a proxy if there is one."""

    api_key: SecretStr | None = None
    url: str | None = None


SettingsT = TypeVar("SettingsT", bound=VendorSettings)


@dataclass(frozen=True, kw_only=True)
class ConnectedVendor:
    """A provider that can be called here.

    ``account`` is the secret that names the account at the vendor, whose limits all replicas share. ``price`` and
    ``structured_output`` replace what the manifest says, for judges whose settings decide that. ``url`` is the address
    that is called, None for a judge that makes no calls. ``is_free``: its calls are not billed.
    ``token_probabilities``: it may be asked for them where the manifest says that its model gives them.
    """

    judge: Judge
    batch: BatchJudge | None = None
    account: str | None = None
    price: Callable[[Usage], Decimal] | None = None
    structured_output: StructuredOutput | None = None
    url: str | None = None
    is_free: bool = False
    token_probabilities: bool = True


@dataclass(frozen=True, kw_only=True)
class VendorRegistration(Generic[SettingsT]):
    """A provider of models: its name in the manifest, its settings, and how it is connected.

    ``required`` names the setting without which it cannot judge, None if there is no such setting; ``connect``
    returns None where that is not set.
    """

    provider: str
    settings: type[SettingsT]
    required: str | None
    connect: Callable[[SettingsT, httpx2.AsyncClient], ConnectedVendor | None]

    @property
    def prefix(self) -> str:
        """What the names of its settings begin with, in lower case and without the service's own prefix."""
        prefix: str = self.settings.model_config["env_prefix"]
        return prefix.removeprefix(ENVIRONMENT_PREFIX).lower()

    @property
    def required_variable(self) -> str | None:
        """The environment variable of the required setting."""
        return None if self.required is None else f"{ENVIRONMENT_PREFIX}{self.prefix}{self.required}".upper()

    @property
    def needs(self) -> str:
        """What has to be set, in words; empty where nothing has."""
        return "" if self.required_variable is None else f"set {self.required_variable}"

    def missing(self, values: Mapping[str, Any]) -> str | None:
        """The environment variable that has to be set before this provider can judge; raises as ``connected``."""
        is_set = self.required is None or getattr(self._settings(values), self.required)
        return None if is_set else self.required_variable

    def connected(self, values: Mapping[str, Any], client: httpx2.AsyncClient) -> ConnectedVendor | None:
        """Connect with settings from the environment and from ``values``, which are named with the prefix.

        Raises ``ConfigurationError`` for a setting that is wrong.
        """
        return self.connect(self._settings(values), client)

    def _settings(self, values: Mapping[str, Any]) -> SettingsT:
        own = {
            name.removeprefix(self.prefix): value
            for name, value in values.items()
            if name.removeprefix(self.prefix) in self.settings.model_fields and name.startswith(self.prefix)
        }
        try:
            return self.settings(**own)
        except ValidationError as error:
            reasons = "; ".join(validation_reasons(error))
            raise ConfigurationError(f"the settings of {self.provider}: {reasons}") from None


def secret(key: SecretStr | None) -> str | None:
    """The key itself; None where none is set."""
    return None if key is None or not key.get_secret_value() else key.get_secret_value()
