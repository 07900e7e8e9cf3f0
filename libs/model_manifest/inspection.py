"""Whether the manifest is up to date: everything that can be asked, asked, and one exit code for all of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from model_manifest.checking import (
    Finding,
    Severity,
    coming_retirements,
    compare_with_price_list,
    compare_with_vendor,
)
from model_manifest.manifest import manifest
from model_manifest.provider_name import ProviderName
from model_manifest.vendor_lists import ListedModel, ListNotRead

AskVendor = Callable[[], Sequence[ListedModel]]

EXIT_CODES: Final[Mapping[Severity, int]] = {
    Severity.BREAKING: 3,
    Severity.NOT_ASKED: 2,
    Severity.NEWER: 4,
    Severity.UNKNOWN_FAMILY: 5,
    Severity.NOTICE: 0,
}
"""The most urgent first: one finding of a kind decides, unless there is one of a kind above it."""


class Asked(StrEnum):
    """How it went with a vendor's own list."""

    YES = "asked"
    NO_KEY = "no_key"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found about one provider's models, from the price list and, given a key, from the vendor."""

    provider: ProviderName
    vendor: Asked
    findings: tuple[Finding, ...]


def inspect_provider(provider: ProviderName, *, ask: AskVendor | None, today: date) -> Inspection:
    """Compare a provider's models with the price list and with what ``ask`` answers; None is "no key"."""
    offline = (
        *compare_with_price_list(manifest(), provider, today=today),
        *coming_retirements(provider, today=today),
    )
    if ask is None:
        return Inspection(provider=provider, vendor=Asked.NO_KEY, findings=offline)
    try:
        listed = ask()
    except ListNotRead as error:
        failure = Finding(severity=Severity.NOT_ASKED, provider=provider, model=None, message=error.message)
        return Inspection(provider=provider, vendor=Asked.FAILED, findings=(*offline, failure))
    live = compare_with_vendor(manifest(), provider, listed, today=today)
    return Inspection(provider=provider, vendor=Asked.YES, findings=(*offline, *live))


def exit_code(inspections: Sequence[Inspection]) -> int:
    """0 up to date, 2 could not ask, 3 retired or breaking, 4 newer in a tracked family, 5 unknown family."""
    kinds = {finding.severity for inspection in inspections for finding in inspection.findings}
    return next((code for severity, code in EXIT_CODES.items() if severity in kinds), 0)
