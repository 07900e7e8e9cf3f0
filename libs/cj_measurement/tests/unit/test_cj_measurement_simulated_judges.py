"""Simulated judges that say more than who won: as honest as they are told to be."""

import numpy as np
import pytest
from cj_measurement import InvalidArgument, Says, SimulatedJudge
from cj_measurement.comparisons import FloatArray
from cj_measurement.simulated_judges import CONFIDENCE_SHARES, MARGIN_SHARES, Answers, Verdicts

TRUTH = SimulatedJudge(sd=3.0).abilities(100, np.random.default_rng(0))
RNG_SEED = 5


def answers(says: Says, *, count: int = 20_000, **settings: float) -> tuple[FloatArray, Answers]:
    """Differences of random pairs, and what a judge says of them."""
    rng = np.random.default_rng(RNG_SEED)
    one = rng.integers(100, size=count)
    other = (one + rng.integers(1, 100, size=count)) % 100
    judge = SimulatedJudge(sd=3.0, says=says, **settings)
    given = Verdicts(judge, TRUTH, seed=0).about(np.column_stack([one, other]), rng)
    return TRUTH[one] - TRUTH[other], given


def shares(values: FloatArray, levels: int) -> list[float]:
    return [float(np.mean(values == level)) for level in range(1, levels + 1)]


@pytest.mark.parametrize(
    ("says", "name", "expected"),
    [
        (Says.MARGIN, "margin", MARGIN_SHARES),
        (Says.CONFIDENCE, "confidence", CONFIDENCE_SHARES),
        (Says.LOOSE_CONFIDENCE, "confidence", CONFIDENCE_SHARES),
        (Says.RANDOM_CONFIDENCE, "confidence", CONFIDENCE_SHARES),
        (Says.HIGH_CONFIDENCE, "confidence", (0, 0, 0, 0.5, 0.5)),
    ],
)
def test_levels_have_their_shares_over_random_pairs(
    says: Says, name: str, expected: tuple[float, ...]
) -> None:
    _, given = answers(says)

    assert shares(getattr(given, name), len(expected)) == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize(
    ("says", "name", "follows"),
    [
        (Says.MARGIN, "margin", True),
        (Says.LOOSE_CONFIDENCE, "confidence", True),
        (Says.LOG_ODDS, "log_odds", True),
        (Says.RANDOM_CONFIDENCE, "confidence", False),
        (Says.HIGH_CONFIDENCE, "confidence", False),
        (Says.LOG_ODDS_OF_SIGN, "log_odds", False),
    ],
)
def test_informative_statements_follow_the_distance_and_worthless_ones_do_not(
    says: Says, name: str, follows: bool
) -> None:
    difference, given = answers(says)

    correlation = np.corrcoef(np.abs(difference), np.abs(getattr(given, name)))[0, 1]

    assert correlation > 0.3 if follows else abs(correlation) < 0.03


def test_log_odds_are_overconfident_and_end_at_a_floor() -> None:
    _, given = answers(Says.LOG_ODDS)

    assert np.mean(np.abs(given.log_odds) > 13) > 0.2
    assert np.abs(given.log_odds).max() < 14.5 + 3
    assert np.mean((given.log_odds > 0) == given.a_won) > 0.98


def test_noise_grows_with_the_distance_when_told_to() -> None:
    difference, steady = answers(Says.MARGIN)
    _, growing = answers(Says.MARGIN, noise_growth=0.5)
    far = np.abs(difference) > 4

    upsets = [float(np.mean(given.a_won[far] != (difference[far] > 0))) for given in (steady, growing)]

    assert upsets[1] > 2 * upsets[0]


@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0])
def test_both_orders_share_as_much_noise_as_told(rho: float) -> None:
    """Of equal essays the two answers agree in 1/2 + arcsin(ρ)/π."""
    rng, equal = np.random.default_rng(0), np.zeros(200)
    verdicts = Verdicts(SimulatedJudge(sd=0.0, says=Says.MARGIN, shared_noise=rho), equal, seed=0)
    one, other = np.triu_indices(200, 1)

    there, back = (
        verdicts.about(np.column_stack(slots), rng).a_won for slots in ((one, other), (other, one))
    )

    assert float(np.mean(there != back)) == pytest.approx(0.5 + np.arcsin(rho) / np.pi, abs=0.02)


@pytest.mark.parametrize(
    "wrong", [{"noise_growth": -0.1}, {"shared_noise": 1.5}, {"shared_noise": float("nan")}]
)
def test_invalid_noise_is_rejected(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgument, match="noise"):
        SimulatedJudge(sd=1.0, **wrong)  # type: ignore[arg-type]  # all of them are floats
