"""How long judging takes, from the judges' limits and the rounds in which a batch is planned."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from model_manifest import Model

from batch_runner.planning.pair_cost import PromptSize, likely_usage, reasons

ANSWER_SECONDS: Final = 2.0
REASONED_ANSWER_SECONDS: Final = 8.0
"""How long a usual answer takes: most of it is what is written, thoughts included."""
SLOWEST_ANSWER_FACTOR: Final = 1.8
"""How many times the usual time the slowest answers of a round take."""
CONCURRENCY: Final = 16
"""Calls at a time that most accounts allow."""
ROUNDS_WITH_MARGINS: Final = 4
BATCH_HOURS: Final = 24
MAX_BATCH_JOBS: Final = 3
"""Within how many hours a vendor's batch API answers, and how many jobs one batch of essays takes at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast judges work together: pairs per minute that their limits allow, and seconds per answer."""

    pairs_per_minute: float
    answer_seconds: float

    def minutes(self, comparisons: int, *, per_essay: float, with_margins: bool) -> float:
        """The slowest answers of each round, the calls that are made at a time, or the limits: whatever takes longest.

        A round compares each essay once, except with margins, where a batch is planned in a few large ones.
        """
        rounds = min(ROUNDS_WITH_MARGINS, per_essay) if with_margins else per_essay
        waiting = math.ceil(rounds) * self.answer_seconds * SLOWEST_ANSWER_FACTOR
        busy = comparisons * self.answer_seconds / CONCURRENCY
        return max(waiting / 60, busy / 60, comparisons / self.pairs_per_minute)


def pace(judges: Sequence[tuple[Model, float]], size: PromptSize) -> Pace:
    """The pace of a panel, each judge with its share of the comparisons; the slowest sets it."""
    return Pace(
        pairs_per_minute=min(_pairs_per_minute(model, size) / share for model, share in judges),
        answer_seconds=max(
            REASONED_ANSWER_SECONDS if reasons(model) else ANSWER_SECONDS for model, _ in judges
        ),
    )


def _pairs_per_minute(model: Model, size: PromptSize) -> float:
    usage, limits = likely_usage(model, size), model.limits
    return min(
        limits.requests_per_minute,
        limits.input_tokens_per_minute / max(1, usage.input),
        limits.output_tokens_per_minute / max(1, usage.output),
    )
