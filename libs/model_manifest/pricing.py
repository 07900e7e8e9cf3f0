"""What a call costs, exactly, at the price of the moment when it was made."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from genai_prices import Usage

from model_manifest.manifest import manifest
from model_manifest.model import Model
from model_manifest.price_list import PRICE_LIST, PriceListEntry, price_list_entry

NO_PRICE_LIST = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """Tokens of one call.

    ``input`` counts all that was read, ``cache_read`` and ``cache_write`` included; ``cache_write_1h`` is the part
    of ``cache_write`` that is kept for an hour. ``output`` counts all that was written, reasoning included.
    """

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0


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

    An amount is what the price list says of exactly this model, or None: never 0 by accident. Long prompts,
    cached tokens and dated prices are the list's; a judge that costs nothing costs 0.
    """
    if model.free:
        return Price(amount=Decimal(0), price_list=NO_PRICE_LIST)
    moment = at or datetime.now(UTC)
    entry = price_list_entry(model)
    reason = _unknown(model, entry, usage, moment, batch=batch)
    if entry is None or reason is not None:
        return Price(amount=None, price_list=PRICE_LIST, warning=reason)
    try:
        amount = entry.amount(_usage(usage), moment, batch=batch)
    except ValueError as error:
        return Price(amount=None, price_list=PRICE_LIST, warning=f"{model.full_name}: {error}")
    return Price(amount=amount, price_list=PRICE_LIST)


def _unknown(
    model: Model, entry: PriceListEntry | None, usage: TokenCounts, at: datetime, *, batch: bool
) -> str | None:
    if entry is None:
        return f"{PRICE_LIST} has no price of {model.full_name}"
    rates = entry.rates(at, batch=batch)
    if rates is None:
        kind = "batch price" if batch else "price"
        return f"{PRICE_LIST} has no {kind} of {model.full_name} for {at.date()}"
    if usage.cache_write_1h and rates.cache_write is not None and rates.cache_write_1h is None:
        return f"{PRICE_LIST} does not say what {model.full_name} charges to keep a prompt for an hour"
    return None


def _usage(usage: TokenCounts) -> Usage:
    return Usage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
        cache_write_1h_tokens=usage.cache_write_1h,
    )
