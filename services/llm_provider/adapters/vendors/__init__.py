"""The providers of models: one folder each, found by itself; ``vendor_api.registration`` says what it holds."""

import pkgutil
from importlib import import_module
from typing import Any

from llm_provider.adapters.vendor_api.registration import VendorRegistration


def registrations() -> dict[str, VendorRegistration[Any]]:
    """The registration of every provider, by its name; raises ``TypeError`` for a folder without one."""
    found: dict[str, VendorRegistration[Any]] = {}
    for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        registration = getattr(import_module(module.name), "REGISTRATION", None)
        if not isinstance(registration, VendorRegistration):
            raise TypeError(f"{module.name} has no REGISTRATION")
        found[registration.provider] = registration
    return found
