"""Where the texts of a comparison go: the regions of the vendors' endpoints, and whether a caller allows them."""

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from event_contracts import InvalidLlmConfig

from model_manifest.manifest import endpoints_of, named_endpoint
from model_manifest.provider_name import is_this_machine

LOCAL: Final = "local"
"""The judge is part of the installation: what it is shown leaves for nowhere, so that it is always allowed."""

UNKNOWN: Final = "unknown"
"""Another address than the manifest's, whose region is not set."""


class RegionNotAllowed(InvalidLlmConfig):
    """The judge's endpoint is in a region where these texts may not be sent."""


def region_of(provider: str, *, url: str | None = None, named: Mapping[str, str] | None = None) -> str:
    """The region of a provider's endpoint: the one that is ``named`` by the installation, else the manifest's.

    ``url`` is the address that is called, where it is another one than the vendor's usual one.
    """
    if named and provider in named:
        return named[provider]
    endpoints = endpoints_of(provider)
    own = named_endpoint(provider)
    if own is not None:
        return own.settings.region or (LOCAL if is_this_machine(own.base_url or "") else UNKNOWN)
    if url is None:
        return endpoints[0].region if endpoints else UNKNOWN
    host = (urlsplit(url).hostname or "").lower()
    found = [endpoint.region for endpoint in endpoints if endpoint.host == host]
    if found:
        return found[0]
    return LOCAL if is_this_machine(url) else UNKNOWN


def check_region(provider: str, *, region: str, allowed: Collection[str] | None) -> None:
    """Raise ``RegionNotAllowed`` unless texts may be sent to the region; None allows every one."""
    if allowed is None or region == LOCAL or region in allowed:
        return
    wanted = ", ".join(sorted(allowed)) or "none at all"
    raise RegionNotAllowed(
        f"{provider} judges in region {region!r}, and allowed here is {wanted}: name a judge whose endpoint is in an"
        " allowed region, or tell the installation where its endpoint is (vendor_regions)",
        details={"provider": provider, "region": region, "allowed_regions": [*sorted(allowed)]},
    )
