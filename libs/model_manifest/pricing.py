"""What a call costs, exactly, at the price of the moment when it was made."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from model_manifest.manifest import manifest
from model_manifest.model import Model
from model_manifest.own_price import OwnPrices
from model_manifest.price_list import PriceListEntry, price_source, source_name
from model_manifest.rates import TokenCounts

NO_PRICE_LIST = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPrice:
    """What the simulated judge pretends to cost, in US dollars per million tokens."""

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)

    def of(self, usage: TokenCounts) -> Decimal:
        """The price of one call in US dollars."""
        return (self.input * usage.input + self.output * usage.output) / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars, and the price list that they come from; None is not known, and ``warning`` says why."""

    amount: Decimal | None
    price_list: str
    warning: str | None = None


def preload() -> None:
    """Read the manifest and the price list now: it takes up to a second, which no request should wait for."""
    for model in manifest().models:
        price(model, TokenCounts(input=1, output=1))


def price(model: Model, usage: TokenCounts, *, at: datetime | None = None, batch: bool = False) -> Price:
    """The price of a call made at ``at`` (aware; now, if it is left out), through the batch API or directly.

    An amount is what the price list, or a price written down by hand, says of exactly this model, or None:
    never 0 by accident. Long prompts, cached tokens and dated prices are theirs, an endpoint's factor comes on top;
    a judge that costs nothing costs 0.
    """
    if model.free:
        return Price(amount=Decimal(0), price_list=NO_PRICE_LIST)
    moment = at or datetime.now(UTC)
    source, name = price_source(model), source_name(model)
    reason = _unknown(model, source, usage, moment, batch=batch)
    if source is None or reason is not None:
        return Price(amount=None, price_list=name, warning=reason)
    try:
        amount = source.amount(usage, moment, batch=batch)
    except ValueError as error:
        return Price(amount=None, price_list=name, warning=f"{model.full_name}: {error}")
    return Price(amount=amount * model.price_factor, price_list=name)


def _unknown(
    model: Model, source: PriceListEntry | OwnPrices | None, usage: TokenCounts, at: datetime, *, batch: bool
) -> str | None:
    name = source_name(model)
    if source is None:
        return f"{name} has no price of {model.full_name}"
    rates = source.rates(at, batch=batch)
    if rates is None:
        kind = "batch price" if batch else "price"
        return f"{name} has no {kind} of {model.full_name} for {at.date()}"
    if usage.cache_write_1h and rates.cache_write is not None and rates.cache_write_1h is None:
        return f"{name} does not say what {model.full_name} charges to keep a prompt for an hour"
    return None
