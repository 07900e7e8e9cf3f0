"""The price list, genai-prices, asked for exactly the entry that the manifest names.

The list itself would match an id that merely looks alike; a price is either this model's or unknown.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import Final

from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ModelInfo,
    Provider,
    StartDateConstraint,
    TieredPrices,
)

from model_manifest.model import Model
from model_manifest.own_price import OWN_PRICES, OwnPrices
from model_manifest.provider_name import ProviderName
from model_manifest.rates import Rates, TokenCounts

PRICE_LIST: Final = f"genai-prices {version('genai-prices')}"
BATCH: Final = {"processing": "batch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceListEntry:
    """What the price list has under one id."""

    vendor: Provider
    listed: ModelInfo

    @property
    def context_window(self) -> int | None:
        """Tokens that the list says a prompt may have."""
        return self.listed.context_window

    @property
    def deprecated(self) -> bool:
        """True where the list says so."""
        return bool(self.listed.deprecated)

    def rates(self, at: datetime, *, batch: bool = False) -> Rates | None:
        """The rates of a day; None where it has none for input and output, or no batch rates when asked for them."""
        if batch and not self.has_batch_rates(at):
            return None
        prices = self.listed.get_prices(at, BATCH if batch else None)
        read, written = _base(prices.input_mtok), _base(prices.output_mtok)
        if read is None or written is None:
            return None
        tiers = prices.input_mtok.tiers if isinstance(prices.input_mtok, TieredPrices) else []
        return Rates(
            input=read,
            output=written,
            cache_read=_base(prices.cache_read_mtok),
            cache_write=_base(prices.cache_write_mtok),
            cache_write_1h=_base(prices.cache_write_1h_mtok),
            long_prompt=tiers[0].start if tiers else None,
        )

    def has_batch_rates(self, at: datetime) -> bool:
        """True where the list has, for that day, what the vendor's batch API costs."""
        return any(
            variant.when == BATCH and (variant.constraint is None or variant.constraint.active(at))
            for variant in self.listed.price_variants or ()
        )

    def amount(self, usage: TokenCounts, at: datetime, *, batch: bool) -> Decimal:
        """The price of a call; raises ``ValueError`` where the parts of ``usage`` exceed the whole."""
        found = self.listed.calc_price(
            _usage(usage),
            self.vendor,
            genai_request_timestamp=at,
            price_context=BATCH if batch else None,
        )
        return found.total_price

    def next_change(self, after: date) -> date | None:
        """The first day after ``after`` on which other prices hold."""
        prices = self.listed.prices
        if not isinstance(prices, list):
            return None
        starts = [
            price.constraint.start_date
            for price in prices
            if isinstance(price.constraint, StartDateConstraint)
        ]
        return min((start for start in starts if start > after), default=None)


def price_list_entry(model: Model) -> PriceListEntry | None:
    """The entry under the model's price id, else under its own; None where the list has no such id."""
    provider = model.price_provider or model.provider
    vendor = _vendor(provider)
    listed = None if vendor is None else _entries(provider).get(model.price_id or model.id)
    return None if vendor is None or listed is None else PriceListEntry(vendor=vendor, listed=listed)


def price_source(model: Model) -> PriceListEntry | OwnPrices | None:
    """Where a model's price is: its own prices, else the price list's; None is unknown."""
    return OwnPrices(prices=model.own_prices) if model.own_prices else price_list_entry(model)


def source_name(model: Model) -> str:
    """What the source of a model's price is called."""
    return OWN_PRICES if model.own_prices else PRICE_LIST


def rates_on(model: Model, day: date, *, batch: bool = False) -> Rates | None:
    """What a model costs on a day; None for a judge that costs nothing, and where no price is known."""
    source = None if model.free else price_source(model)
    rates = None if source is None else source.rates(noon(day), batch=batch)
    return None if rates is None else rates.times(model.price_factor)


def listed_ids(provider: ProviderName) -> tuple[str, ...]:
    """Every id that the price list has of a provider."""
    return tuple(_entries(provider))


def _usage(usage: TokenCounts) -> Usage:
    return Usage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
        cache_write_1h_tokens=usage.cache_write_1h,
    )


def _vendor(provider: str) -> Provider | None:
    return next((vendor for vendor in get_snapshot().providers if vendor.id == provider), None)


@cache
def _entries(provider: str) -> dict[str, ModelInfo]:
    vendor = _vendor(provider)
    return {} if vendor is None else {listed.id: listed for listed in vendor.models}


def _base(price: Decimal | TieredPrices | None) -> Decimal | None:
    return price.base if isinstance(price, TieredPrices) else price


def noon(day: date) -> datetime:
    """A moment of the day: prices change at midnight UTC."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
