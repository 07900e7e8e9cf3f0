"""The judges that this installation can reach. A provider is found by its folder: see ``adapters/vendors``."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import NewType

import httpx2
from dishka import Provider, Scope, provide
from event_contracts import ConfigurationError
from model_manifest import list_providers
from model_manifest.endpoints import FILE_VARIABLE, InstalledEndpoint, endpoints_file
from model_manifest.manifest import manifest
from service_kit.http.certificates import trusted_certificates

from llm_provider.adapters.named_endpoints import connect_endpoint
from llm_provider.adapters.vendor_api.registration import ConnectedVendor
from llm_provider.adapters.vendors import registrations
from llm_provider.ports import BatchJudge, Judge
from llm_provider.settings import Settings

KEEP_CONNECTIONS_SECONDS = 60.0

VendorClient = NewType("VendorClient", httpx2.AsyncClient)
"""Keeps a connection for every concurrent call."""


@dataclass(frozen=True, kw_only=True)
class Judges:
    """The judges that this installation can reach, by provider; ``keys`` are fingerprints of their accounts."""

    live: Mapping[str, Judge]
    batch: Mapping[str, BatchJudge] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    vendors: Mapping[str, ConnectedVendor] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)


class JudgeProvider(Provider):
    """The judges."""

    scope = Scope.APP

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    @provide
    async def client(self) -> AsyncIterator[VendorClient]:
        limits = httpx2.Limits(
            max_connections=None,
            max_keepalive_connections=self._settings.concurrency,
            keepalive_expiry=KEEP_CONNECTIONS_SECONDS,
        )
        async with httpx2.AsyncClient(limits=limits, verify=trusted_certificates()) as client:
            yield VendorClient(client)

    @provide
    def judges(self, client: VendorClient) -> Judges:
        found = registrations()
        _require_same_file(self._settings)
        _require_known(self._settings)
        named = manifest().named
        connected = {
            **{
                name: registration.connected(self._settings.vendor_settings, client)
                for name, registration in found.items()
            },
            **{endpoint.name: connect_endpoint(endpoint, client) for endpoint in named},
        }
        vendors = {name: vendor for name, vendor in connected.items() if vendor is not None}
        return Judges(
            live={name: vendor.judge for name, vendor in vendors.items()},
            batch={name: vendor.batch for name, vendor in vendors.items() if vendor.batch is not None},
            keys={name: _fingerprint(vendor.account) for name, vendor in vendors.items()},
            vendors=vendors,
            needs={
                **{name: registration.needs for name, registration in found.items()},
                **{endpoint.name: _needs(endpoint) for endpoint in named},
            },
        )


def _require_same_file(settings: Settings) -> None:
    """Raise ``ConfigurationError`` where the setting names another file than the one that everybody else reads."""
    if settings.endpoints_file is not None and settings.endpoints_file != endpoints_file():
        raise ConfigurationError(
            f"endpoints_file is read by all services: set {FILE_VARIABLE} in the environment"
        )


def _needs(endpoint: InstalledEndpoint) -> str:
    missing = endpoint.missing()
    return "" if missing is None else f"set {missing}"


def _require_known(settings: Settings) -> None:
    """Raise ``ConfigurationError`` for a setting that names a provider which the manifest does not have."""
    known = [str(provider) for provider in list_providers()]
    named = [settings.default_provider, *(name.partition("/")[0] for name in settings.limits)]
    unknown = sorted({name for name in named if name not in known})
    if unknown:
        raise ConfigurationError(
            f"default_provider and limits name {', '.join(unknown)}: start with one of {', '.join(known)}"
        )


def _fingerprint(account: str | None) -> str:
    """Distinguishes accounts without revealing anything about the key."""
    return "" if account is None else hashlib.sha256(account.encode()).hexdigest()[:12]
