"""Whether the manifest is still true: against the price list, and against a vendor's own list of models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from event_contracts import ReasoningEffort

from model_manifest.families import Families, Version
from model_manifest.manifest import Manifest, retiring_within
from model_manifest.model import ANY_MODEL, Model
from model_manifest.price_list import PRICE_LIST, PriceListEntry, listed_ids, noon, price_list_entry, rates_on
from model_manifest.provider_name import ProviderName
from model_manifest.resolving import RETIREMENT_NOTICE_DAYS
from model_manifest.vendor_lists import ListedModel

HALF_PRICE: Final = 2
ROUNDING: Final = 0.05
"""Share by which a context may differ and still be the same one: 1,048,576 is often written as a million."""


class Severity(StrEnum):
    """What a finding means for the suite's operator."""

    BREAKING = "breaking"
    NOT_ASKED = "not_asked"
    NEWER = "newer"
    UNKNOWN_FAMILY = "unknown_family"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that the manifest says and others do not, or the other way round."""

    severity: Severity
    provider: ProviderName
    model: str | None
    message: str


def compare_with_price_list(
    manifest: Manifest, provider: ProviderName, *, today: date
) -> tuple[Finding, ...]:
    """What the price list says differently of a provider's models that can be used today."""
    models = [model for model in _usable(manifest, provider, today) if not model.free]
    found = [finding for model in models for finding in _against_entry(model, today)]
    return (*found, *_newer(manifest, provider, listed_ids(provider), source=PRICE_LIST))


def compare_with_vendor(
    manifest: Manifest, provider: ProviderName, listed: Sequence[ListedModel], *, today: date
) -> tuple[Finding, ...]:
    """What a vendor's list says differently of the models that can be used today, and what it has besides."""
    by_id = {model.id: model for model in listed}
    found: list[Finding] = []
    for model in _usable(manifest, provider, today):
        found.extend(_against_listed(model, by_id.get(model.id), today))
    ids = tuple(by_id)
    newer = _newer(manifest, provider, ids, source="the vendor")
    return (*found, *newer, *_unknown_families(manifest.families.of(provider), provider, ids))


def coming_retirements(provider: ProviderName, *, today: date) -> tuple[Finding, ...]:
    """A provider's models that are refused within thirty days."""
    return tuple(
        _notice(coming.model, f"retires in {coming.days_left} days: move to {coming.model.successor}")
        for coming in retiring_within(RETIREMENT_NOTICE_DAYS, today=today)
        if coming.model.provider == provider
    )


def _usable(manifest: Manifest, provider: ProviderName, today: date) -> list[Model]:
    return [
        m for m in manifest.models if m.provider == provider and not m.is_retired(today) and m.id != ANY_MODEL
    ]


def _against_entry(model: Model, today: date) -> Iterator[Finding]:
    entry = price_list_entry(model)
    if entry is None:
        yield _without_entry(model)
        return
    if model.own_prices:
        yield from _own_price_findings(model, entry, today)
        return
    yield from _price_findings(model, entry, today)
    yield from _batch_findings(model, today)
    if entry.deprecated and not model.deprecated:
        yield _breaking(model, f"{PRICE_LIST} calls it deprecated, the manifest does not")
    if _differs(model.context_window, entry.context_window):
        yield _breaking(
            model, f"context: {model.context_window:,} tokens here, {entry.context_window:,} in {PRICE_LIST}"
        )


def _own_price_findings(model: Model, entry: PriceListEntry, today: date) -> Iterator[Finding]:
    """The price list now contains this model: if the two agree our entry can go, else a person must decide."""
    ours, theirs = rates_on(model, today), entry.rates(noon(today))
    if theirs is None or ours == theirs:
        yield _notice(model, f"{PRICE_LIST} has it now at the same price: its own_prices can go")
    else:
        ours_said = "nothing" if ours is None else f"{ours.input} / {ours.output}"
        yield _breaking(
            model, f"price: {ours_said} written here, {theirs.input} / {theirs.output} in {PRICE_LIST}"
        )


def _without_entry(model: Model) -> Finding:
    if model.own_prices:
        return _notice(model, f"not in {PRICE_LIST}: counted at the price that is written here")
    if model.reviewed_price is None:
        return _notice(model, f"not in {PRICE_LIST}: what it costs is not counted")
    return _breaking(
        model, f"{PRICE_LIST} has no entry called {model.price_id or model.id}: set its price_id"
    )


def _price_findings(model: Model, entry: PriceListEntry, today: date) -> Iterator[Finding]:
    rates, reviewed = rates_on(model, today), model.reviewed_price
    if rates is None:
        yield _breaking(model, f"{PRICE_LIST} has no price of it")
        return
    if reviewed is None:
        yield _notice(model, f"its price is known now: review {rates.input} / {rates.output}")
    elif (reviewed.input, reviewed.output) != (rates.input, rates.output):
        yield _breaking(
            model,
            f"price: reviewed at {reviewed.input} / {reviewed.output}, in {PRICE_LIST} {rates.input} / {rates.output}",
        )
    change = entry.next_change(today)
    after = None if change is None else rates_on(model, change)
    if change is not None and after is not None:
        yield _notice(model, f"costs {after.input} / {after.output} from {change} on")


def _batch_findings(model: Model, today: date) -> Iterator[Finding]:
    direct, batch = rates_on(model, today), rates_on(model, today, batch=True)
    if batch is None and model.batch_api:
        yield _breaking(model, f"has a batch API here, but {PRICE_LIST} has no batch price of it")
    if batch is not None and not model.batch_api:
        yield _breaking(model, f"{PRICE_LIST} has a batch price of it: set batch_api")
    if batch is None or direct is None:
        return
    if (batch.input * HALF_PRICE, batch.output * HALF_PRICE) != (direct.input, direct.output):
        yield _notice(
            model,
            f"a batch costs {batch.input} / {batch.output}, not half of {direct.input} / {direct.output}",
        )


def _against_listed(model: Model, listed: ListedModel | None, today: date) -> Iterator[Finding]:
    if listed is None:
        yield _breaking(model, "the vendor no longer lists it")
        return
    if listed.retired or (listed.retires is not None and listed.retires <= today):
        day = "" if listed.retires is None else f" on {listed.retires}"
        yield _breaking(model, f"the vendor has retired it{day}")
        return
    yield from _lifecycle_findings(model, listed)
    yield from _size_findings(model, listed)
    yield from _capability_findings(model, listed)
    yield from _vendor_price_findings(model, listed, today)


def _lifecycle_findings(model: Model, listed: ListedModel) -> Iterator[Finding]:
    if listed.retires is not None and listed.retires != model.retires:
        here = "no date" if model.retires is None else str(model.retires)
        yield _breaking(model, f"the vendor retires it on {listed.retires}: {here} in the manifest")
    elif listed.deprecated and not model.deprecated:
        yield _breaking(model, "the vendor calls it deprecated, the manifest does not")


def _size_findings(model: Model, listed: ListedModel) -> Iterator[Finding]:
    sizes = (
        ("context", model.context_window, listed.context_window),
        ("output", model.output_limit, listed.output_limit),
    )
    for name, here, there in sizes:
        if here is None or there is None or not _differs(here, there):
            continue
        text = f"{name}: {here:,} tokens here, {there:,} at the vendor"
        yield _breaking(model, text) if there < here else _notice(model, text)


def _capability_findings(model: Model, listed: ListedModel) -> Iterator[Finding]:
    if listed.batch_api is False and model.batch_api:
        yield _breaking(model, "the vendor does not take it in a batch")
    if listed.efforts is not None:
        ours = {effort for effort in model.reasoning_efforts if effort != ReasoningEffort.NONE}
        for effort in sorted(ours - listed.efforts):
            yield _breaking(model, f"the vendor does not take the effort {effort}")


def _vendor_price_findings(model: Model, listed: ListedModel, today: date) -> Iterator[Finding]:
    rates = rates_on(model, today)
    theirs = (listed.input_price, listed.output_price)
    if rates is not None and None not in theirs and theirs != (rates.input, rates.output):
        yield _breaking(
            model,
            f"price: {rates.input} / {rates.output} in {PRICE_LIST},"
            f" {listed.input_price:f} / {listed.output_price:f} at the vendor",
        )


def _newer(
    manifest: Manifest, provider: ProviderName, ids: Sequence[str], *, source: str
) -> Iterator[Finding]:
    families = manifest.families.of(provider)
    known = {model.id for model in manifest.models if model.provider == provider}
    known |= {model.price_id for model in manifest.models if model.provider == provider and model.price_id}
    newest = _newest_versions(families, known)
    for model_id in ids:
        family = families.family_of(model_id)
        if family is None or model_id in known:
            continue
        version = family.version_of(model_id)
        if version is not None and version > newest.get(family.name, ()):
            message = f"newer than our models of the family {family.name}, says {source}"
            yield Finding(severity=Severity.NEWER, provider=provider, model=model_id, message=message)


def _newest_versions(families: Families, ids: set[str]) -> dict[str, Version]:
    newest: dict[str, Version] = {}
    for model_id in ids:
        for family in families.tracked:
            version = family.version_of(model_id)
            if version is not None:
                newest[family.name] = max(version, newest.get(family.name, ()))
    return newest


def _unknown_families(families: Families, provider: ProviderName, ids: Sequence[str]) -> Iterator[Finding]:
    for model_id in ids:
        if families.standing_of(model_id) == "unknown":
            message = "of a family that has not been reviewed: track it, or say why not"
            yield Finding(
                severity=Severity.UNKNOWN_FAMILY, provider=provider, model=model_id, message=message
            )


def _differs(here: int | None, there: int | None) -> bool:
    return here is not None and there is not None and abs(here - there) > ROUNDING * max(here, there)


def _breaking(model: Model, message: str) -> Finding:
    return Finding(severity=Severity.BREAKING, provider=model.provider, model=model.id, message=message)


def _notice(model: Model, message: str) -> Finding:
    return Finding(severity=Severity.NOTICE, provider=model.provider, model=model.id, message=message)
