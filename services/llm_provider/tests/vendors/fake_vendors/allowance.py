"""A vendor that enforces its limits: requests and tokens per minute, and 429 for what exceeds them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from llm_provider.domain.limits import Allowance as Kind
from llm_provider.domain.limits import LimitReading
from llm_provider.tests.vendors.fake_vendors.scenario import (
    Answer,
    Behaviour,
    Failure,
    Received,
    Scenario,
    always,
)


@dataclass
class _Bucket:
    """Fills continuously up to ``capacity``."""

    per_minute: float
    capacity: float
    clock: Callable[[], float]
    level: float = field(init=False)
    seen: float = field(init=False)

    def __post_init__(self) -> None:
        self.level, self.seen = self.capacity, self.clock()

    def wait_for(self, amount: float) -> float:
        """Seconds until it holds ``amount``, or all that it can hold."""
        now = self.clock()
        self.level = min(self.capacity, self.level + (now - self.seen) * self.per_minute / 60)
        self.seen = now
        return max(0.0, (min(amount, self.capacity) - self.level) * 60 / self.per_minute)

    def reading(self, kind: Kind) -> LimitReading:
        missing = max(0.0, self.capacity - self.level)
        return LimitReading(
            allowance=kind,
            limit=int(self.per_minute),
            remaining=max(0, int(self.level)),
            resets_in=timedelta(seconds=missing * 60 / self.per_minute),
        )


@dataclass(kw_only=True)
class Allowance:
    """A scenario that lets ``then`` answer as long as both allowances last; everything else is told when to return.

    Tokens are those that the answer counts, read and written. The allowances of ``burst_seconds`` may be used at
    once, as with vendors whose buckets fill continuously.
    """

    requests_per_minute: float
    tokens_per_minute: float
    burst_seconds: float = 60.0
    then: Scenario = field(default_factory=lambda: always(Answer()))
    clock: Callable[[], float] = time.monotonic
    granted: int = 0
    refused: int = 0
    tokens: int = 0

    def __post_init__(self) -> None:
        self._requests = self._bucket(self.requests_per_minute)
        self._tokens = self._bucket(self.tokens_per_minute)

    def __call__(self, received: Received) -> Behaviour:
        behaviour = self.then(received)
        if not isinstance(behaviour, Answer):
            return behaviour
        usage = behaviour.usage_of(received)
        amount = usage.input + usage.output
        wait = max(self._requests.wait_for(1), self._tokens.wait_for(amount))
        if wait > 0:
            self.refused += 1
            return Failure(status=429, retry_after=wait, limits=self._readings())
        self._take(amount)
        return replace(behaviour, limits=self._readings())

    def _take(self, amount: int) -> None:
        self._requests.level -= 1
        self._tokens.level -= amount
        self.granted += 1
        self.tokens += amount

    def _readings(self) -> tuple[LimitReading, ...]:
        return self._requests.reading(Kind.REQUESTS), self._tokens.reading(Kind.TOKENS)

    def _bucket(self, per_minute: float) -> _Bucket:
        return _Bucket(per_minute=per_minute, capacity=per_minute * self.burst_seconds / 60, clock=self.clock)
