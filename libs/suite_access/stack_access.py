"""The embedded stack's key pair, and the file by which its tools find the key."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

import httpx2
import jwt
import typer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from event_contracts.addresses import is_loopback
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from suite_access.addresses import place
from suite_access.development_claims import development_claims
from suite_access.private_files import write_private

ACCESS_FILE: Final = "access.json"
STACK_ISSUER: Final = "embedded-stack"
STACK_AUDIENCE: Final = "embedded-stack"
DEFAULT_FOLDER: Final = Path(".run")
MAX_FILE_BYTES: Final = 65_536

_Short = Annotated[str, Field(max_length=4096)]


@dataclass(frozen=True)
class StackKeys:
    """A P-256 key pair that lives as long as one embedded stack."""

    private: ec.EllipticCurvePrivateKey

    @classmethod
    def generate(cls) -> "StackKeys":
        """A new pair."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @cached_property
    def public_pem(self) -> str:
        """What the services check tokens with."""
        return (
            self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        )

    @cached_property
    def private_pem(self) -> str:
        """What tools sign tokens with."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class StackAccess(BaseModel):
    """The access file: where the services of one embedded stack are, and the key that they believe."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    services: Annotated[dict[_Short, _Short], Field(max_length=20)]
    issuer: _Short = STACK_ISSUER
    audience: _Short = STACK_AUDIENCE
    private_key: Annotated[_Short, Field(repr=False)]

    def serves(self, url: str) -> bool:
        """True for the base URL of one of the stack's services."""
        return _place(url) in {_place(own) for own in self.services.values()}

    def token(self, *, role: str = "admin", subject: str = "embedded-stack") -> str:
        """A token that is valid for ten minutes."""
        claims = development_claims(role=role, subject=subject, issuer=self.issuer, audience=self.audience)
        return jwt.encode(claims, self.private_key, algorithm="ES256")


@contextmanager
def published_access(folder: Path, access: StackAccess) -> Iterator[Path]:
    """Keep the access file in ``folder``, and where tools look by the services' ports, until the context ends."""
    files = [folder / ACCESS_FILE, *(_by_port(url) for url in access.services.values())]
    text = access.model_dump_json()
    write_private(files[0], text)
    for file in files[1:]:
        # A home that cannot be written to costs convenience, nothing else: the file in the run's folder is there.
        with suppress(OSError):
            write_private(file, text)
    try:
        yield files[0]
    finally:
        for file in files:
            if _read(file) == access:
                file.unlink(missing_ok=True)


def find_stack_access(url: str, *, folder: Path = DEFAULT_FOLDER) -> StackAccess | None:
    """The access to the embedded stack that serves ``url``; None for another host, or where no stack says so."""
    if not _is_this_machine(url):
        return None
    for file in (folder / ACCESS_FILE, _by_port(url)):
        access = _read(file)
        if access is not None and access.serves(url):
            return access
    return None


def _read(path: Path) -> StackAccess | None:
    try:
        with path.open("rb") as file:
            return StackAccess.model_validate_json(file.read(MAX_FILE_BYTES))
    except (OSError, ValidationError):
        return None


def _by_port(url: str) -> Path:
    return Path(typer.get_app_dir("cj-suite")) / "stacks" / f"{_place(url)[1]}.json"


def _place(url: str) -> tuple[str, int | None]:
    _, host, port = place(httpx2.URL(url))
    return "127.0.0.1" if host == "localhost" else host, port


def _is_this_machine(url: str) -> bool:
    try:
        return is_loopback(httpx2.URL(url).host)
    except (ValueError, httpx2.InvalidURL):
        return False
