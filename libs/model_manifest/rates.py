"""What is counted of a call, and what is charged for it."""

from dataclasses import dataclass
from decimal import Decimal


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
class Rates:
    """US dollars per million tokens of a short prompt; above ``long_prompt`` input tokens there are others."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None
    cache_write: Decimal | None
    cache_write_1h: Decimal | None
    long_prompt: int | None

    def times(self, factor: Decimal) -> "Rates":
        """The same rates at an endpoint that charges ``factor`` times as much."""
        if factor == 1:
            return self
        cached = (self.cache_read, self.cache_write, self.cache_write_1h)
        read, write, write_1h = (None if rate is None else rate * factor for rate in cached)
        return Rates(
            input=self.input * factor,
            output=self.output * factor,
            cache_read=read,
            cache_write=write,
            cache_write_1h=write_1h,
            long_prompt=self.long_prompt,
        )
