"""The services that this suite consists of: what every command that goes through all of them needs to know."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import batch_conductor.settings
import cj_assessment.settings
import llm_provider.settings
from service_kit.settings import ServiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledService:
    """One service: its package, what people call it, its settings and its migrations."""

    package: str
    title: str
    settings: type[ServiceSettings]
    migrations: Path
    oldest_schema: str

    @property
    def prefix(self) -> str:
        """What the names of its environment variables begin with."""
        return self.settings.model_config.get("env_prefix", "")

    @property
    def port(self) -> int:
        """The port that it listens on where none is set."""
        port: int = self.settings.model_fields["http_port"].default
        return port

    @property
    def container(self) -> str:
        """Its name in Docker Compose and Kubernetes."""
        return self.package.replace("_", "-")

    def variable(self, setting: str) -> str:
        """The environment variable of a setting."""
        return f"{self.prefix}{setting.upper()}"


CJ_ASSESSMENT: Final = InstalledService(
    package="cj_assessment",
    title="CJ Assessment",
    settings=cj_assessment.settings.Settings,
    migrations=cj_assessment.settings.MIGRATIONS,
    oldest_schema=cj_assessment.settings.OLDEST_SCHEMA,
)
SERVICES: Final = (
    CJ_ASSESSMENT,
    InstalledService(
        package="llm_provider",
        title="LLM Provider",
        settings=llm_provider.settings.Settings,
        migrations=llm_provider.settings.MIGRATIONS,
        oldest_schema=llm_provider.settings.OLDEST_SCHEMA,
    ),
    InstalledService(
        package="batch_conductor",
        title="Batch Conductor",
        settings=batch_conductor.settings.Settings,
        migrations=batch_conductor.settings.MIGRATIONS,
        oldest_schema=batch_conductor.settings.OLDEST_SCHEMA,
    ),
)

PACKAGES: Final = tuple(service.package for service in SERVICES)
