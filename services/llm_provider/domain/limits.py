"""What a vendor allows per minute, and what it says about it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Allowance(StrEnum):
    """What a vendor limits per minute."""

    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReading:
    """What a vendor's headers say about one allowance: its size, what is left of it, and until when."""

    allowance: Allowance
    limit: int | None
    remaining: int | None
    resets_in: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one model may be asked: per minute, and concurrently; None: unlimited."""

    requests_per_minute: float | None = None
    input_tokens_per_minute: float | None = None
    output_tokens_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int | None = None

    def replaced_by(self, own: "Limits") -> "Limits":
        """These limits, overridden by what ``own`` sets."""
        return Limits(
            requests_per_minute=own.requests_per_minute or self.requests_per_minute,
            input_tokens_per_minute=own.input_tokens_per_minute or self.input_tokens_per_minute,
            output_tokens_per_minute=own.output_tokens_per_minute or self.output_tokens_per_minute,
            tokens_per_minute=own.tokens_per_minute or self.tokens_per_minute,
            concurrency=own.concurrency or self.concurrency,
        )

    def of(self, allowance: Allowance) -> float | None:
        """The limit of one allowance."""
        match allowance:
            case Allowance.REQUESTS:
                return self.requests_per_minute
            case Allowance.INPUT_TOKENS:
                return self.input_tokens_per_minute
            case Allowance.OUTPUT_TOKENS:
                return self.output_tokens_per_minute
            case Allowance.TOKENS:
                return self.tokens_per_minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How allowances are used.

    ``share`` is the target share of what a vendor allows: the rest is a margin for clock differences and network
    jitter. ``burst`` is the amount of an allowance, in time, that may be used at once. ``low_water`` is the share of
    an allowance below which calls are held back. After a rate limit concurrency is multiplied by
    ``backoff_factor``; each answer adds 1/concurrency, so that it grows by about one in the time of one call.
    """

    share: float = 0.975
    burst: timedelta = timedelta(seconds=0.5)
    low_water: float = 0.01
    backoff_factor: float = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """After ``failures`` failures of a vendor in a row the breaker opens for ``open_for``, twice as long each time.

    Then one call is let through: an answer closes the breaker, a failure opens it again.
    """

    failures: int = 5
    open_for: timedelta = timedelta(seconds=5)
    max_open_for: timedelta = timedelta(minutes=1)


class BreakerState(StrEnum):
    """Whether calls are let through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChange:
    """The state of a model's breaker after some calls, and whether these calls opened or closed it."""

    model: str
    is_open: bool
    has_opened: bool
    has_closed: bool
