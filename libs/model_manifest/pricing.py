"""What a call costs, exactly, from the price list of genai-prices."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version

from event_contracts import ConfigurationError
from genai_prices import Usage, calc_price

from model_manifest.manifest import Model

PRICE_LIST = f"genai-prices {version('genai-prices')}"
NO_PRICE_LIST = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """Tokens of one call; ``input`` counts all of them, those read from and written to a cache included."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """An amount in US dollars, and the price list that it comes from."""

    amount: Decimal
    price_list: str


def price(model: Model, usage: TokenCounts, *, at: datetime | None = None) -> Price:
    """The price of a call made at ``at``; raises ``ConfigurationError`` when there is none, never 0 by accident."""
    if model.free:
        return Price(amount=Decimal(0), price_list=NO_PRICE_LIST)
    try:
        found = calc_price(
            Usage(
                input_tokens=usage.input,
                output_tokens=usage.output,
                cache_read_tokens=usage.cache_read,
                cache_write_tokens=usage.cache_write,
            ),
            model.price_id or model.id,
            provider_id=str(model.provider),
            genai_request_timestamp=at,
        )
    except LookupError as error:
        raise ConfigurationError(f"no price is known for {model.provider}/{model.id}") from error
    return Price(amount=found.total_price, price_list=PRICE_LIST)
