"""What a call costs: an exact amount from a named price list, or an unknown amount."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """US dollars by a price list; None where the list has no price, and ``warning`` says why."""

    usd: Decimal | None
    price_list: str
    warning: str | None = None

    @property
    def known_usd(self) -> Decimal:
        """What is known to have been spent."""
        return Decimal(0) if self.usd is None else self.usd

    @property
    def is_known(self) -> bool:
        """False where the call may have cost something, but the amount is unknown."""
        return self.usd is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLimits:
    """Spending at one provider, in US dollars, beyond which an alert is raised; None is never."""

    daily: Decimal | None = None
    monthly: Decimal | None = None
