"""Tokens of one call, as its vendor counts them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call.

    ``input`` counts everything that was read: fresh, read from a cache and written to one. ``cache_write`` counts what
    was written for five minutes or for an hour, ``cache_write_1h`` the part that was written for an hour.
    ``output`` counts everything that was written, ``reasoning`` the part that was thought and not shown.
    ``is_known`` is false where the vendor does not say, or says something that no count can be.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    is_known: bool = True

    def __post_init__(self) -> None:
        lowest = min(
            self.input, self.output, self.cache_read, self.cache_write, self.cache_write_1h, self.reasoning
        )
        if lowest < 0:
            raise ValueError(f"tokens cannot be negative: {self}")


UNKNOWN_USAGE = Usage(is_known=False)
"""Of a call that was answered, and so is billed, without a word on its tokens."""
