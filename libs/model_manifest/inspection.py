"""Whether the manifest is up to date: everything that can be asked, asked, and the most urgent that was found."""

from collections.abc import Callable, Sequence
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

_BY_URGENCY: Final = (
    Severity.BREAKING,
    Severity.NOT_ASKED,
    Severity.NEWER,
    Severity.UNKNOWN_FAMILY,
    Severity.NOTICE,
)


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


def most_urgent(inspections: Sequence[Inspection]) -> Severity:
    """The most urgent severity for which there is a finding; a notice where nothing was found."""
    found = {finding.severity for inspection in inspections for finding in inspection.findings}
    return next((severity for severity in _BY_URGENCY if severity in found), Severity.NOTICE)
