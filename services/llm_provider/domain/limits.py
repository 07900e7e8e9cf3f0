"""What a vendor allows by the minute, and what it says of it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Allowance(StrEnum):
    """What a vendor limits by the minute."""

    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReading:
    """What a vendor's headers say of one allowance: its size, what is left of it, and until when."""

    allowance: Allowance
    limit: int | None
    remaining: int | None
    resets_in: timedelta | None
