"""What a fake vendor is sent, what it may do with it, and who decides."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from event_contracts import JsonObject
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import LimitReading
from llm_provider.ports import Ending

KEY: Final = "sk-fake-0123456789"
"""The only key that the fake vendors accept."""

VERDICT: Final = json.dumps({"winner": "Essay A", "justification": "It is clearer.", "confidence": 4})

_BYTES_OF_A_TOKEN = 4


@dataclass(frozen=True, kw_only=True)
class Received:
    """A call to a model: alone, or an item of a batch job. ``body`` is the model's request in either case."""

    vendor: str
    path: str
    headers: Mapping[str, str]
    body: JsonObject
    size: int
    in_batch: bool = False

    @property
    def input_tokens(self) -> int:
        """About as many tokens as the body has."""
        return max(1, self.size // _BYTES_OF_A_TOKEN)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Answer with this text after ``delay`` seconds; ``usage`` is counted from the texts where it is not given."""

    text: str = VERDICT
    ending: Ending = Ending.COMPLETE
    usage: Usage | None = None
    limits: tuple[LimitReading, ...] = ()
    delay: float = 0.0

    def usage_of(self, received: Received) -> Usage:
        """The tokens that the vendor counts."""
        written = max(1, len(self.text.encode()) // _BYTES_OF_A_TOKEN)
        return self.usage or Usage(input=received.input_tokens, output=written)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Fail with an HTTP status, in the vendor's form; ``code`` is the vendor's usual one where it is not given.

    The vendor's message quotes the request, as real ones do.
    """

    status: int
    code: str | None = None
    retry_after: float | None = None
    limits: tuple[LimitReading, ...] = ()
    delay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Send these bytes, whatever they are, as this ``encoding``; for an item of a batch job they must be JSON."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    encoding: str | None = None
    delay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BreaksOff:
    """Begin the answer, and close the connection in the middle of it."""

    delay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Expires:
    """Never get to it: an item of a batch job runs out of time; a single call is answered after an hour."""

    delay: float = 3_600.0


Behaviour = Answer | Failure | Raw | BreaksOff | Expires
Scenario = Callable[[Received], Behaviour]


def always(behaviour: Behaviour) -> Scenario:
    """Every call meets the same."""
    return lambda _: behaviour


@dataclass
class _InTurn:
    left: list[Behaviour]
    then: Scenario

    def __call__(self, received: Received) -> Behaviour:
        return self.left.pop(0) if self.left else self.then(received)


def in_turn(*behaviours: Behaviour, then: Scenario = always(Answer())) -> Scenario:  # noqa: B008 - it holds no state
    """The first calls meet these, one each; the calls after them meet ``then``."""
    return _InTurn(left=list(behaviours), then=then)


@dataclass
class _ByChance:
    shares: Sequence[tuple[float, Behaviour]]
    otherwise: Scenario
    chance: random.Random = field(default_factory=random.Random)

    def __call__(self, received: Received) -> Behaviour:
        drawn = self.chance.random()
        for share, behaviour in self.shares:
            if drawn < share:
                return behaviour
            drawn -= share
        return self.otherwise(received)


def by_chance(
    *shares: tuple[float, Behaviour],
    seed: int,
    otherwise: Scenario = always(Answer()),  # noqa: B008 - it holds no state
) -> Scenario:
    """Each call meets one of these with its probability, or ``otherwise``."""
    return _ByChance(shares=shares, otherwise=otherwise, chance=random.Random(seed))
