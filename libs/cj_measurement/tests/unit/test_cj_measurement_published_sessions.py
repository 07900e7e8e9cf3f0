"""55 published sessions: our figures are the published ones."""

import numpy as np
import pytest
from cj_measurement import ClassicalFit, fit, fit_classical, split_half
from cj_measurement.tests.builders import Session

REFERENCE_TAUS = tuple(np.sqrt(np.geomspace(0.01, 60.0, 22)))
"""The reference took the best of these; we search on between them."""
LONG_SESSIONS = ("Ofqual2015", "Pollitt2017_example4")
"""Without a reference for EB: too large for it."""


@pytest.fixture(scope="module")
def classical(sessions: tuple[Session, ...]) -> dict[str, ClassicalFit]:
    return {
        session.name: fit_classical(
            session.comparisons, self_comparisons=session.self_comparisons, allow_disconnected=True
        )
        for session in sessions
    }


def test_all_55_published_sessions_are_present(sessions: tuple[Session, ...]) -> None:
    assert len(sessions) == 55


@pytest.mark.parametrize("published", ["theta", "se.theta", "infit", "outfit"])
def test_the_classical_fit_gives_the_published_items(
    sessions: tuple[Session, ...], classical: dict[str, ClassicalFit], published: str
) -> None:
    ours = {"theta": "theta", "se.theta": "standard_errors", "infit": "infit", "outfit": "outfit"}[published]

    off = {
        session.name: np.abs(getattr(classical[session.name], ours) - session.items[published]).max()
        for session in sessions
    }

    assert max(off.values()) < 1e-8, max(off, key=off.__getitem__)


def test_the_classical_reliability_is_the_published_one(
    sessions: tuple[Session, ...], classical: dict[str, ClassicalFit]
) -> None:
    off = {
        session.name: abs(classical[session.name].ssr - session.figures["pub_mle_rel"])
        for session in sessions
    }
    off_prime = {
        session.name: abs(classical[session.name].ssr_prime - session.figures["pub_ssr_paper"])
        for session in sessions
    }

    assert max(off.values()) < 1e-9, max(off, key=off.__getitem__)
    assert max(off_prime.values()) < 1e-9, max(off_prime, key=off_prime.__getitem__)


def test_a_session_of_few_items_and_thousands_of_decisions_gives_the_published_figures(
    dense: Session,
) -> None:
    """Its two groups of seven items hardly met among themselves: the published steps swing until they are cut off."""
    fitted = fit_classical(dense.comparisons)

    assert len(dense.comparisons) == 6_595
    assert fitted.ssr == pytest.approx(dense.figures["pub_mle_rel"], abs=1e-9)
    for ours, published in (
        (fitted.theta, "theta"),
        (fitted.standard_errors, "se.theta"),
        (fitted.infit, "infit"),
        (fitted.outfit, "outfit"),
    ):
        assert ours == pytest.approx(dense.items[published], abs=1e-8)


@pytest.mark.slow
def test_split_half_is_the_published_one_where_sessions_have_forty_items(
    sessions: tuple[Session, ...],
) -> None:
    off = {}
    for session in sessions:
        if session.comparisons.n_items >= 40:
            halves = split_half(session.comparisons, seed=1, halves=50)
            assert halves is not None
            off[session.name] = abs(halves.median - session.figures["pub_median_split_half"])

    assert len(off) == 27
    assert max(off.values()) < 0.02, max(off, key=off.__getitem__)


def test_eb_reliability_on_the_references_grid_is_the_references(sessions: tuple[Session, ...]) -> None:
    off = {
        session.name: abs(fitted.eb_reliability - session.figures["our_eb_reliability"])
        for session in sessions
        if session.name not in LONG_SESSIONS
        for fitted in [
            fit(session.comparisons, position_effects="none", tau=REFERENCE_TAUS, allow_disconnected=True)
        ]
    }

    assert len(off) == 53
    assert max(off.values()) < 1e-6, max(off, key=off.__getitem__)


def test_eb_reliability_is_near_the_references_when_tau_is_searched_for(
    sessions: tuple[Session, ...],
) -> None:
    """Neighbours on the reference's grid differ by 23 % in τ: two sessions come to lie just beyond .02 between them."""
    off = [
        abs(fitted.eb_reliability - session.figures["our_eb_reliability"])
        for session in sessions
        if session.name not in LONG_SESSIONS
        for fitted in [fit(session.comparisons, position_effects="none", allow_disconnected=True)]
    ]

    assert np.count_nonzero(np.array(off) < 0.02) >= 51
    assert max(off) < 0.023


def test_winners_in_the_first_slot_throughout_are_flagged_as_no_position_effect(
    sessions: tuple[Session, ...],
) -> None:
    """The sessions do not say who stood where: with the winner always in slot A there is nothing to estimate from."""
    session = next(session for session in sessions if session.name == "Bisson2016_algebra")

    found = fit(session.comparisons).position_bias

    assert found
    assert all(bias.one_sided for bias in found)
