"""The meters in PostgreSQL: one row per model and key, shared by all workers and replicas."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters.postgres import meter_sql as sql
from llm_provider.domain.calls.settlement import Settlement
from llm_provider.domain.costs.spending import MeterView, PauseView
from llm_provider.domain.limits import (
    Allowance,
    BreakerChange,
    BreakerPolicy,
    BreakerState,
    LimitReading,
    Limits,
    Pacing,
)

INITIAL_MEAN_OUTPUT_TOKENS: Final = 200.0
"""Tokens of an answer, as long as none has been seen."""

EWMA_WEIGHT: Final = 0.1
"""Weight of one more call in the running means of tokens."""


UNLIMITED: Final = 1_000
"""Concurrent calls where no limit is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRules:
    """How meters work here. ``keys`` are fingerprints of the providers' keys, ``ceilings`` limits set on purpose."""

    keys: Mapping[str, str]
    ceilings: Mapping[str, Limits]
    pacing: Pacing
    breaker: BreakerPolicy
    lease: timedelta

    @property
    def accounts(self) -> dict[str, object]:
        """The accounts of this installation: each provider with the fingerprint of its key, for statements."""
        return {"providers": list(self.keys), "keys": list(self.keys.values())}

    def key_of(self, provider: str) -> str:
        """The fingerprint of a provider's key; empty where there is none."""
        return self.keys.get(provider, "")


class PostgresMeters:
    """The meters, in one transaction."""

    def __init__(self, connection: AsyncConnection, rules: MeterRules) -> None:
        self._connection = connection
        self._rules = rules

    async def set_limits(self, limits: Mapping[tuple[str, str], Limits]) -> None:
        await self.add_missing(limits)
        await self._connection.execute(sql.SET_LIMITS, self._given(limits))

    async def add_missing(self, limits: Mapping[tuple[str, str], Limits]) -> None:
        await self._connection.execute(
            sql.ADD_MISSING, {**self._given(limits), "output_mean": INITIAL_MEAN_OUTPUT_TOKENS}
        )

    def _given(self, limits: Mapping[tuple[str, str], Limits]) -> dict[str, object]:
        return {
            "providers": [provider for provider, _ in limits],
            "keys": [self._rules.key_of(provider) for provider, _ in limits],
            "models": [model for _, model in limits],
            "requests": [one.requests_per_minute for one in limits.values()],
            "inputs": [one.input_tokens_per_minute for one in limits.values()],
            "outputs": [one.output_tokens_per_minute for one in limits.values()],
            "tokens": [one.tokens_per_minute for one in limits.values()],
            "concurrencies": [float(one.concurrency or UNLIMITED) for one in limits.values()],
        }

    async def hold(self, *, provider: str, model: str, for_time: timedelta) -> None:
        await self._connection.execute(
            sql.HOLD,
            {
                "provider": provider,
                "key": self._rules.key_of(provider),
                "model": model,
                "for_time": for_time,
            },
        )

    async def settle(self, *, provider: str, settlements: Sequence[Settlement]) -> Sequence[BreakerChange]:
        breaker, pacing = self._rules.breaker, self._rules.pacing
        rows = await self._connection.execute(
            sql.SETTLE,
            {
                "provider": provider,
                "key": self._rules.key_of(provider),
                "share": pacing.share,
                "cut": pacing.backoff_factor,
                "learning": EWMA_WEIGHT,
                "breaker_failures": breaker.failures,
                "open_for": breaker.open_for,
                "max_open_for": breaker.max_open_for,
                **_counts(settlements),
                **self._readings(provider, settlements),
            },
        )
        return [BreakerChange(**row._mapping) for row in rows]

    def _readings(self, provider: str, settlements: Sequence[Settlement]) -> dict[str, object]:
        found: dict[str, object] = {}
        for allowance, name in _NAMES.items():
            readings = [one.readings.get(allowance) for one in settlements]
            found[f"{name}_limits"] = [
                self._limit(provider, one.model, reading)
                for one, reading in zip(settlements, readings, strict=True)
            ]
            found[f"{name}_holds"] = [
                _hold_seconds(reading, self._rules.pacing.low_water) for reading in readings
            ]
        return found

    def _limit(self, provider: str, model: str, reading: LimitReading | None) -> float | None:
        if reading is None or not reading.limit:
            return None
        ceilings = self._rules.ceilings.get(f"{provider}/{model}") or self._rules.ceilings.get(provider)
        ceiling = None if ceilings is None else ceilings.of(reading.allowance)
        return float(reading.limit if ceiling is None else min(reading.limit, ceiling))

    async def views(self) -> Sequence[MeterView]:
        rows = await self._connection.execute(sql.VIEWS, self._rules.accounts)
        return [
            MeterView(
                provider=row.provider,
                model=row.model,
                requests_per_minute=row.requests_per_minute,
                input_tokens_per_minute=row.input_per_minute,
                output_tokens_per_minute=row.output_per_minute,
                tokens_per_minute=row.tokens_per_minute,
                concurrency=int(row.concurrency),
                breaker=BreakerState(row.breaker),
                held_until=row.held,
                failing_since=row.failing_since,
                last_error_code=row.last_error_code,
                last_error_message=row.last_error_message,
            )
            for row in rows
        ]

    async def pause(self, provider: str, *, by: str, reason: str) -> None:
        await self._connection.execute(sql.PAUSE, {"provider": provider, "by": by, "reason": reason})

    async def resume(self, provider: str) -> None:
        await self._connection.execute(sql.RESUME, {"provider": provider})

    async def pauses(self) -> Sequence[PauseView]:
        return [
            PauseView(
                provider=row.provider, paused_at=row.paused_at, paused_by=row.paused_by, reason=row.reason
            )
            for row in await self._connection.execute(sql.PAUSES)
        ]


_NAMES: Final = {
    Allowance.REQUESTS: "request",
    Allowance.INPUT_TOKENS: "input",
    Allowance.OUTPUT_TOKENS: "output",
    Allowance.TOKENS: "token",
}


def _hold_seconds(reading: LimitReading | None, low_water: float) -> float | None:
    """Seconds until the vendor's own count is back at the low-water mark; None where it is above it."""
    if reading is None or not reading.limit or reading.remaining is None:
        return None
    missing = low_water - reading.remaining / reading.limit
    return missing * 60 if missing > 0 else None


def _counts(settlements: Sequence[Settlement]) -> dict[str, object]:
    def excess(allowance: Allowance) -> list[float]:
        return [float(one.excess.get(allowance, 0)) for one in settlements]

    def numbers(values: Iterable[int]) -> list[float]:
        return [float(value) for value in values]

    return {
        "models": [one.model for one in settlements],
        **{f"{name}_excess": excess(allowance) for allowance, name in _NAMES.items()},
        "replies": numbers(one.replies for one in settlements),
        "estimated_inputs": numbers(one.estimated_input for one in settlements),
        "inputs": numbers(one.input for one in settlements),
        "outputs": numbers(one.output for one in settlements),
        "limited": [one.limited for one in settlements],
        "failures": [one.failures for one in settlements],
        "have_responded": [one.has_responded for one in settlements],
        "error_codes": [None if one.last_error is None else one.last_error.code for one in settlements],
        "error_messages": [None if one.last_error is None else one.last_error.message for one in settlements],
    }
