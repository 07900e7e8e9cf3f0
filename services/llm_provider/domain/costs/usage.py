"""Tokens of one call, as its vendor counts them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call.

    ``input`` counts all input tokens: uncached, read from a cache and written to one. ``cache_write`` counts those
    written to a cache for five minutes or an hour, ``cache_write_1h`` those of them written for an hour. ``output``
    counts all output tokens, ``reasoning`` those of them that were spent on reasoning and not shown. ``is_known`` is
    false where the vendor does not say, or says something that cannot be a count.
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
"""Of a call that was answered, and so is billed, without token counts."""
