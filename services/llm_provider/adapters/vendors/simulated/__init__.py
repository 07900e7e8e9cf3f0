"""The simulated judge, provider ``mock`` on the wire: needs no network and no key."""

from decimal import Decimal
from pathlib import Path

import httpx2
from model_manifest import SimulatedPrice, TokenCounts
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from llm_provider.adapters.vendor_api.registration import (
    ConnectedVendor,
    VendorRegistration,
    VendorSettings,
)
from llm_provider.adapters.vendors.simulated.judge import SimulatedJudge, SimulatedSettings, read_qualities
from llm_provider.domain.costs.usage import Usage


class Settings(VendorSettings):
    """Environment: LLM_PROVIDER_SIMULATED_…"""

    model_config = SettingsConfigDict(env_prefix="LLM_PROVIDER_SIMULATED_")

    quality_file: Path | None = Field(
        default=None, description="Qualities of texts that the simulated judge knows."
    )
    noise: float = Field(default=1.0, gt=0, description="Scale of its logistic noise.")
    position_bias: float = Field(default=0.0, description="Its preference for the first essay.")
    latency_ms: float = Field(default=0.0, ge=0, description="Median time of a call.")
    failure_rate: float = Field(default=0.0, ge=0, le=1, description="Share of its calls that fail.")
    rate_limit_rate: float = Field(
        default=0.0, ge=0, le=1, description="Share of its calls that meet a rate limit."
    )
    malformed_rate: float = Field(
        default=0.0, ge=0, le=1, description="Share of its calls whose answer is not a vote."
    )
    margin_honesty: float = Field(
        default=1.0, ge=0, le=1, description="Share of its margins that say how far ahead the winner is."
    )
    states_margin: bool = Field(default=True, description="Whether it says by how much the winner is better.")
    seed: int = Field(default=0, description="Another seed gives other draws.")
    input_price: Decimal = Field(
        default=Decimal(0), ge=0, description="US dollars per million tokens that it pretends to cost."
    )
    output_price: Decimal = Field(
        default=Decimal(0), ge=0, description="The same for the tokens that it writes."
    )

    def price(self, usage: Usage) -> Decimal:
        """The price of one call in US dollars."""
        tokens = TokenCounts(input=usage.input, output=usage.output)
        return SimulatedPrice(input=self.input_price, output=self.output_price).of(tokens)


def _connect(settings: Settings, _: httpx2.AsyncClient) -> ConnectedVendor:
    file = settings.quality_file
    behaviour = SimulatedSettings(
        noise=settings.noise,
        position_bias=settings.position_bias,
        latency_ms=settings.latency_ms,
        failure_rate=settings.failure_rate,
        rate_limit_rate=settings.rate_limit_rate,
        malformed_rate=settings.malformed_rate,
        margin_honesty=settings.margin_honesty,
        states_margin=settings.states_margin,
        seed=settings.seed,
    )
    judge = SimulatedJudge(behaviour, qualities={} if file is None else read_qualities(file))
    return ConnectedVendor(judge=judge, price=settings.price)


REGISTRATION = VendorRegistration(provider="mock", settings=Settings, required=None, connect=_connect)
