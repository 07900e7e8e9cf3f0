"""Addresses: which host is this machine, and which port a scheme has where an address names none."""

import ipaddress
from collections.abc import Mapping
from typing import Final

DEFAULT_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """True for a host, in lower case, that is this machine: nothing that is sent there leaves it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
