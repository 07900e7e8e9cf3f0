"""What the embedded stack is started with, and where its services are then reached."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from command_line.loopback import HOST, free_ports

from suite.installed import SERVICES

DEFAULT_DATA: Final = Path(".run")
DEFAULT_PROVIDER: Final = "mock"
_PORTS: Final = {service.package: service.port for service in SERVICES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the services listen on loopback."""

    cj_assessment: int = _PORTS["cj_assessment"]
    llm_provider: int = _PORTS["llm_provider"]
    batch_conductor: int = _PORTS["batch_conductor"]

    @classmethod
    def free(cls) -> "Ports":
        """Three ports that are free now."""
        assessment, provider, conductor = free_ports(3)
        return cls(cj_assessment=assessment, llm_provider=provider, batch_conductor=conductor)

    def by_option(self) -> Iterator[tuple[str, int]]:
        """Each port with the option of ``cj-suite up`` that sets it."""
        yield "--cj-port", self.cj_assessment
        yield "--llm-port", self.llm_provider
        yield "--conductor-port", self.batch_conductor


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """``data`` holds the database and the logs; ``quality_file`` is what the simulated judge knows of texts.

    ``provider`` and ``model`` judge where a request names none; without a model it is the provider's default.
    """

    data: Path
    ports: Ports = Ports()
    provider: str = DEFAULT_PROVIDER
    model: str | None = None
    quality_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Base URLs of the running services."""

    cj_assessment: str
    llm_provider: str
    batch_conductor: str

    @classmethod
    def of(cls, ports: Ports) -> "Addresses":
        """The services' addresses on these ports."""
        return cls(
            cj_assessment=f"http://{HOST}:{ports.cj_assessment}",
            llm_provider=f"http://{HOST}:{ports.llm_provider}",
            batch_conductor=f"http://{HOST}:{ports.batch_conductor}",
        )
