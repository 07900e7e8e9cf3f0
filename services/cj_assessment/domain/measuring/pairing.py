"""Which pairs to judge next, by which judge, and what further judging would bring."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import cj_measurement as measurement
from event_contracts import ComparisonState, ForecastView, UntilTargetView, usd

from cj_assessment.domain.batch import Essay, Judge
from cj_assessment.domain.comparison import Asked, PlannedComparison
from cj_assessment.domain.measuring.fitting import Fitted, among

_MAX_PER_ESSAY: Final = 4
"""Comparisons per essay in one round at most, each counted for one of its two essays."""
_MIN_LATER_ROUNDS: Final = 4
"""How many rounds of winners a later round of graded verdicts holds at least."""
_LAST_JOB_FACTOR: Final = 1.25
MAX_RELAXED_ROUNDS: Final = 3
"""Rounds of a relaxed batch: each is a job of a vendor's batch API, which may take a day."""


def pairing_state(
    essays: Sequence[Essay], asked: Sequence[Asked], fitted: Fitted | None
) -> measurement.PairingState:
    """What the next round of these essays depends on.

    A pair that could not be judged is asked once more, in its turn: its first failure does not count as asked.
    """
    place = {essay.item: index for index, essay in enumerate(essays)}
    counted = _without_first_failures(among(essays, asked))
    return measurement.PairingState.of(
        len(essays),
        [(place[pair.slot_a], place[pair.slot_b]) for pair in counted],
        random_links=sum(pair.chosen_by in measurement.RANDOM_REASONS for pair in counted),
        fit=None if fitted is None else fitted.fit,
    )


def _without_first_failures(asked: Sequence[Asked]) -> list[Asked]:
    failed_before: set[frozenset[int]] = set()
    counted = []
    for pair in asked:
        items = frozenset((pair.slot_a, pair.slot_b))
        if pair.state == ComparisonState.FAILED and items not in failed_before:
            failed_before.add(items)
        else:
            counted.append(pair)
    return counted


def with_judges(
    planned: Sequence[measurement.Pair],
    essays: Sequence[Essay],
    asked: Sequence[Asked],
    *,
    judges: Sequence[Judge],
) -> tuple[PlannedComparison, ...]:
    """The pairs as comparisons of these essays, each with its judge."""
    times = Counter((pair.slot_a, pair.slot_b) for pair in asked)
    assigned = assign_judges([judge.share for judge in judges], asked, count=len(planned))
    return tuple(
        PlannedComparison(
            slot_a=essays[pair.slot_a].item,
            slot_b=essays[pair.slot_b].item,
            repetition=times[essays[pair.slot_a].item, essays[pair.slot_b].item],
            chosen_by=pair.reason,
            assigned=judge,
        )
        for pair, judge in zip(planned, assigned, strict=True)
    )


def assign_judges(shares: Sequence[float], asked: Sequence[Asked], *, count: int) -> list[int]:
    """A judge for each of ``count`` new pairs: the one furthest behind its share of all comparisons."""
    done = Counter(pair.assigned for pair in asked)
    assigned: list[int] = []
    for total in range(len(asked) + 1, len(asked) + count + 1):
        behind = [share * total - done[judge] for judge, share in enumerate(shares)]
        chosen = behind.index(max(behind))
        done[chosen] += 1
        assigned.append(chosen)
    return assigned


def graded_round_size(
    state: measurement.PairingState, *, asked: int, target_reliability: float, least: int
) -> int:
    """Comparisons of a round where judges state margins; ``asked`` are those that are judged or may still be.

    The first round holds what a decision needs; later rounds hold what the fit says is missing. That estimate is a
    mean, so another round may still be needed, and every round takes as long as its slowest answers. ``least`` is the
    round size for judges that state no margins. A later round holds at least four times that, because gates other than
    reliability may keep a batch open.
    """
    first = math.ceil(state.n_items * measurement.MIN_COMPARISONS_WHEN_GRADED / 2) - asked
    if first > 0:
        return max(least, first)
    if state.fit is None or state.awaits_levels:
        return least
    seen = measurement.forecast(
        state, target_reliability=target_reliability, cost_per_comparison=Decimal(0), seed=0
    )
    if seen.until_target is None:
        return least
    missing = seen.until_target.expected - (asked - len(state.fit.comparisons))
    return max(_MIN_LATER_ROUNDS * least, min(missing, _MAX_PER_ESSAY * state.n_items))


def relaxed_round_size(
    state: measurement.PairingState, *, asked: int, target_reliability: float, least: int, is_last: bool
) -> int:
    """Comparisons of a job of a relaxed batch: first what a decision needs at least, then all that is missing.

    The last job is larger than what the fit expects, as there is no other after it.
    """
    first = math.ceil(state.n_items * measurement.MIN_COMPARISONS_WHEN_GRADED / 2) - asked
    if first > 0 or state.fit is None:
        return max(least, first)
    seen = measurement.forecast(
        state, target_reliability=target_reliability, cost_per_comparison=Decimal(0), seed=0
    )
    missing = least if seen.until_target is None else seen.until_target.expected
    return max(2 * least, math.ceil(missing * (_LAST_JOB_FACTOR if is_last else 1)))


def forecast(
    state: measurement.PairingState,
    planned: Sequence[measurement.Pair],
    *,
    target_reliability: float,
    cost_usd: Decimal | None,
) -> ForecastView:
    """What further judging would bring, counted from the fit in ``state``; ``cost_usd`` is a comparison's."""
    seen = measurement.forecast(
        state,
        target_reliability=target_reliability,
        cost_per_comparison=cost_usd or Decimal(0),
        seed=0,
        planned=planned,
    )
    until = seen.until_target
    return ForecastView(
        comparisons=seen.comparisons,
        eb=seen.eb_reliability,
        cost_usd=None if cost_usd is None else usd(seen.cost_usd),
        until_target=None
        if until is None
        else UntilTargetView(
            comparisons=until.expected,
            low=until.low,
            high=until.high,
            cost_usd=None if cost_usd is None else usd(until.cost_usd),
        ),
    )


def round_seed(seed: int, number: int) -> int:
    """A seed of its own for each round of a batch."""
    return random.Random(f"{seed}:{number}").getrandbits(63)
