"""How long is waited before something that failed is tried again."""

import random
from dataclasses import dataclass
from typing import Final

_SPREAD: Final = 0.25
_MAX_DOUBLINGS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """Waits that double from the first to the longest."""

    first_seconds: float
    longest_seconds: float

    def seconds(self, *, failures: int) -> float:
        """The wait after so many failures in a row, from 1 up."""
        doubled = self.first_seconds * 2.0 ** min(failures - 1, _MAX_DOUBLINGS)
        return min(doubled, self.longest_seconds)


def jittered(seconds: float) -> float:
    """A quarter more or less, at random: replicas that failed together try again apart."""
    return seconds * random.uniform(1 - _SPREAD, 1 + _SPREAD)
