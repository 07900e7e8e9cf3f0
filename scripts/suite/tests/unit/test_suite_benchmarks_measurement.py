"""The measurement's benchmark compares like with like, and writes its own section only."""

import numpy as np
import pytest
from suite.benchmarks import measurement
from suite.benchmarks.measurement import (
    SPREAD,
    Problem,
    Timing,
    best_peer,
    measure,
    nearest_peer,
    of_peer,
    ours,
    peers,
    section,
)
from suite.benchmarks.measurement import Round as AfterARound
from suite.benchmarks.page import written


@pytest.fixture(autouse=True)
def _one_run_of_each_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these tests look at does not depend on how often a solver is timed."""
    monkeypatch.setattr(measurement, "REPEATS", (1, 1))


def timing(solver: str, milliseconds: float, *, gradient: float = 1e-9) -> Timing:
    return Timing(
        solver=solver,
        tolerance="default",
        milliseconds=milliseconds,
        runs=3,
        gradient=gradient,
        distance=gradient,
    )


def test_only_peers_as_exact_as_our_fit_are_compared_with_it() -> None:
    own, quick, slow, rough = (
        timing("own", 1),
        timing("quick", 5),
        timing("slow", 9),
        timing("rough", 2, gradient=1e-7),
    )

    assert best_peer([own, rough, slow, quick, own]) == quick
    assert best_peer([own, rough, own]) is None


def test_the_fastest_peer_near_our_fit_is_named_too() -> None:
    own, far = timing("own", 1), timing("far", 1.5, gradient=1e-3)
    near, exact = timing("near", 2, gradient=1e-7), timing("exact", 5)

    assert nearest_peer([own, far, near, exact, own]) == near
    assert best_peer([own, far, near, exact, own]) == exact
    assert nearest_peer([own, far, own]) is None


def test_every_peer_with_the_same_prior_finds_the_same_scale() -> None:
    problem = Problem.of(20)
    fitted, own = ours(problem, tau=SPREAD)

    found = [
        timing
        for name, solve in peers(problem)
        for timing in of_peer(name, solve, problem, fitted.theta)
        if "evalica" not in name and timing.tolerance != "default"
    ]

    assert own.is_exact
    assert problem.gradient(fitted.theta + np.linspace(0, 0.1, 20)) > 1e-3
    assert {timing.solver for timing in found} >= {"scikit-learn newton-cg", "choix opt_pairwise"}
    assert max(timing.distance for timing in found) < 1e-4


@pytest.mark.slow
def test_the_table_starts_with_our_fit_and_ends_with_tau_estimated() -> None:
    (timings,) = measure((20,)).values()

    assert timings[0].solver == "cj_measurement"
    assert timings[-1].solver == "cj_measurement, τ estimated"
    assert any("evalica" in timing.solver for timing in timings)


def test_the_section_is_replaced_and_the_rest_of_the_page_kept() -> None:
    timings = {30: [timing("own", 1), timing("peer", 5), timing("own, τ estimated", 8)]}
    text = section(timings, AfterARound(refit=1, covariance=2, resamples=3))

    page = written("# Benchmarks\n\nbefore\n", text)
    again = written(page + "\nafter\n", text.replace("peer", "another"))

    assert page.startswith("# Benchmarks\n\nbefore\n\n<!-- measurement")
    assert "| peer |" not in again
    assert "| another |" in again
    assert again.count("<!-- measurement: end -->") == 1
    assert again.rstrip().endswith("after")
    assert written("", text).startswith("# Benchmarks\n\n<!-- measurement")
