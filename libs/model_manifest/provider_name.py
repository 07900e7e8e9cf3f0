"""The name of a provider of models, as the manifest, the settings and the wire spell it; and whether it is here."""

from typing import Annotated
from urllib.parse import urlsplit

from event_contracts.addresses import is_loopback
from pydantic import StringConstraints

ProviderName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""Lower case; which names there are, the manifest says: ``list_providers()``."""


def is_this_machine(url: str) -> bool:
    """True for an address on this machine: nothing that is sent there leaves it."""
    return is_loopback(urlsplit(url).hostname or "")
