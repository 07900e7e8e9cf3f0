"""The settings of the three services in the embedded stack: from the environment, and what the stack itself decides."""

from collections.abc import Iterator
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any, Final, TypeVar

import batch_conductor.settings
import cj_assessment.settings
import llm_provider.settings
from event_contracts import ConfigurationError, InvalidLlmConfig, LLMConfigOverrides, LLMProvider
from llm_provider.adapters.vendors import registrations
from model_manifest import validate_llm_overrides
from model_manifest.manifest import named_endpoint
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError
from service_kit.settings import ServiceSettings
from suite_access import StackKeys
from suite_access.stack_access import STACK_AUDIENCE, STACK_ISSUER

from suite.embedded.postgres import PostgresServer
from suite.processes.service_process import new_secret
from suite.stack.options import Addresses, StackOptions

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)

_NO_DATABASE: Final = "postgresql+asyncpg://postgres@127.0.0.1/not-started"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Valid settings of each service."""

    conductor: batch_conductor.settings.Settings
    provider: llm_provider.settings.Settings
    assessment: cj_assessment.settings.Settings

    def on(self, postgres: PostgresServer) -> "Configuration":
        """The same with each service's database on this server."""
        return Configuration(
            conductor=_with_database(self.conductor, postgres.url_for("batch_conductor")),
            provider=_with_database(self.provider, postgres.url_for("llm_provider")),
            assessment=_with_database(self.assessment, postgres.url_for("cj_assessment")),
        )


def configure(options: StackOptions, keys: StackKeys) -> Configuration:
    """Read and check every setting; the services believe what ``keys`` sign.

    Raises ``ConfigurationError`` with a line for each problem.
    """
    common = _common(keys)
    problems: list[str] = []

    def read(settings: type[SettingsT], **own: Any) -> SettingsT | None:
        try:
            return settings(**common, **own)
        except ValidationError as error:
            problems.extend(setting_problems(settings, error))
        except SettingsError as error:
            problems.append(f"{error}: it must be valid JSON")
        return None

    addresses = Addresses.of(options.ports)
    conductor = read(
        batch_conductor.settings.Settings,
        http_port=options.ports.batch_conductor,
        cj_assessment_url=addresses.cj_assessment,
        llm_provider_url=addresses.llm_provider,
    )
    provider = read(
        llm_provider.settings.Settings,
        http_port=options.ports.llm_provider,
        simulated_quality_file=options.quality_file,
    )
    model = {} if options.model is None else {"default_model": options.model}
    assessment = read(
        cj_assessment.settings.Settings,
        http_port=options.ports.cj_assessment,
        llm_provider_url=addresses.llm_provider,
        default_provider=options.provider,
        **model,
    )
    if conductor is None or provider is None or assessment is None:
        raise ConfigurationError("\n".join(problems))
    judge = _judge(assessment, provider)
    if judge == LLMProvider.MOCK:
        # It is as fast as the machine is: going on without its last answers would make runs depend on the load.
        assessment = assessment.model_copy(update={"min_straggler_timeout": assessment.straggler_timeout})
    return Configuration(
        conductor=conductor,
        provider=provider.model_copy(update={"default_provider": judge}),
        assessment=assessment,
    )


def _common(keys: StackKeys) -> dict[str, Any]:
    """What every service of the stack is set to, whatever the environment says."""
    return {
        "database_url": _NO_DATABASE,
        "event_bus": "memory",
        "development": True,
        # The services of one process sign for each other: a secret that lives as long as they do is enough.
        "callback_signing_secret": SecretStr(new_secret()),
        "service_secret": SecretStr(token_urlsafe(48)),
        # The environment may name a platform's keys: this stack trusts its own tools.
        "jwt_public_key": keys.public_pem,
        "jwt_jwks_url": None,
        "jwt_secret": None,
        "jwt_issuer": STACK_ISSUER,
        "jwt_audience": STACK_AUDIENCE,
    }


def _judge(assessment: cj_assessment.settings.Settings, provider: llm_provider.settings.Settings) -> str:
    """The provider that judges by default; refused unless it and its model are known and it is set up."""
    try:
        resolved = validate_llm_overrides(
            LLMConfigOverrides(),
            default_provider=assessment.default_provider,
            default_model=assessment.default_model,
        )
    except InvalidLlmConfig as error:
        raise ConfigurationError(error.message) from error
    judge = resolved.provider
    endpoint = named_endpoint(judge)
    missing = (
        registrations()[judge].missing(provider.vendor_settings) if endpoint is None else endpoint.missing()
    )
    if missing is not None:
        raise ConfigurationError(
            f"{judge} cannot judge without {missing}: set it in the environment, or choose another --provider"
        )
    return judge


def setting_problems(settings: type[ServiceSettings], error: ValidationError) -> Iterator[str]:
    """A line for each wrong setting, under the name that it has in the environment, never with its value."""
    prefix = settings.model_config.get("env_prefix", "")
    for found in error.errors(include_url=False, include_input=False, include_context=False):
        name, *within = map(str, found["loc"] or ("settings",))
        yield f"{prefix}{name.upper()}{''.join(f'.{part}' for part in within)} is wrong: {found['msg']}"


def _with_database(settings: SettingsT, url: str) -> SettingsT:
    return settings.model_copy(update={"database_url": url})
