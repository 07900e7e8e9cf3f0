"""Prices that are written down by hand, for models and endpoints that the price list does not have."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model_manifest.rates import Rates, TokenCounts

OWN_PRICES: Final = "own"
"""The price list that such an amount names."""

_MILLION: Final = 1_000_000

Dollars = Annotated[Decimal, Field(ge=0, le=100_000, max_digits=12)]
Factor = Annotated[Decimal, Field(gt=0, le=100, max_digits=9)]


class LongPrompts(BaseModel):
    """Above ``tokens`` read, the whole call costs this many times as much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int = Field(gt=0)
    input: Factor
    output: Factor


class OwnPrice(BaseModel):
    """US dollars per million tokens, from the day ``since`` on; what is left out costs what ``input`` costs.

    ``batch`` is the share of it that a call costs in the vendor's batch API; without it no batch price is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Dollars
    output: Dollars
    cache_read: Dollars | None = None
    cache_write: Dollars | None = None
    cache_write_1h: Dollars | None = None
    batch: Annotated[Factor, Field(le=1)] | None = None
    above: LongPrompts | None = None
    since: date | None = None

    @model_validator(mode="after")
    def _hour_needs_write(self) -> Self:
        if self.cache_write_1h is not None and self.cache_write is None:
            raise ValueError("cache_write_1h needs cache_write as well")
        return self

    def amount(self, usage: TokenCounts, *, batch: bool) -> Decimal:
        """US dollars of one call; raises ``ValueError`` where the parts of ``usage`` exceed the whole."""
        written = usage.cache_write - usage.cache_write_1h
        plain = usage.input - usage.cache_read - usage.cache_write
        if min(written, plain) < 0:
            raise ValueError("more tokens were cached than read")
        write = self.input if self.cache_write is None else self.cache_write
        write_1h = write if self.cache_write_1h is None else self.cache_write_1h
        read = self.input if self.cache_read is None else self.cache_read
        reading = plain * self.input + usage.cache_read * read + written * write
        reading += usage.cache_write_1h * write_1h
        writing = usage.output * self.output
        if self.above is not None and usage.input > self.above.tokens:
            reading, writing = reading * self.above.input, writing * self.above.output
        share = self.batch if batch and self.batch is not None else Decimal(1)
        return (reading + writing) * share / _MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPrices:
    """The prices of one model, each from its day on."""

    prices: tuple[OwnPrice, ...]

    def rates(self, at: datetime, *, batch: bool = False) -> Rates | None:
        """The rates of a day; None where there are none, or no batch rates when asked for them."""
        price = self._on(at)
        if price is None or (batch and price.batch is None):
            return None
        share = price.batch if batch and price.batch is not None else Decimal(1)
        cached = (price.cache_read, price.cache_write, price.cache_write_1h)
        read, written, written_1h = (None if one is None else one * share for one in cached)
        return Rates(
            input=price.input * share,
            output=price.output * share,
            cache_read=read,
            cache_write=written,
            cache_write_1h=written_1h,
            long_prompt=price.above.tokens if price.above else None,
        )

    def amount(self, usage: TokenCounts, at: datetime, *, batch: bool) -> Decimal:
        """The price of a call; ask only where there are ``rates``."""
        price = self._on(at)
        if price is None:
            raise ValueError(f"no price is known for {at.date()}")
        return price.amount(usage, batch=batch)

    def next_change(self, after: date) -> date | None:
        """The first day after ``after`` on which other prices hold."""
        coming = [price.since for price in self.prices if price.since is not None and price.since > after]
        return min(coming, default=None)

    def _on(self, at: datetime) -> OwnPrice | None:
        day = at.astimezone(UTC).date()
        begun = [price for price in self.prices if price.since is None or price.since <= day]
        return max(begun, key=lambda price: price.since or date.min, default=None)
