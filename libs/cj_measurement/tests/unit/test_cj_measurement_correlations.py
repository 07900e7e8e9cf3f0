"""Correlations of ranks are those of ``scipy.stats``, which is never imported."""

import subprocess
import sys

import numpy as np
import pytest
from cj_measurement.correlations import kendall, pearson, ranks, spearman
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, pearsonr, rankdata, spearmanr

SERIES = st.lists(st.tuples(st.integers(0, 6), st.floats(-3, 3, width=16)), min_size=2, max_size=40)


@given(SERIES)
def test_equal_values_share_the_mean_of_their_ranks(series: list[tuple[int, float]]) -> None:
    values = np.array([first for first, _ in series], np.float64)

    ranked = ranks(values)

    assert ranked.tolist() == rankdata(values).tolist()


@given(SERIES)
def test_correlations_are_those_of_scipy(series: list[tuple[int, float]]) -> None:
    x, y = np.array(series, np.float64).T
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return

    found = spearman(x, y), kendall(x, y)

    assert found == pytest.approx((spearmanr(x, y).statistic, kendalltau(x, y).statistic), abs=1e-12)


def test_pearsons_correlation_is_that_of_scipy() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 50))

    found = pearson(x, x + y)

    assert found == pytest.approx(pearsonr(x, x + y).statistic, abs=1e-12)


def test_something_that_never_varies_has_no_correlation() -> None:
    same, other = np.ones(5), np.arange(5.0)

    found = [spearman(same, other), kendall(other, same), pearson(same, same)]

    assert np.isnan(found).all()


def test_importing_the_package_does_not_import_scipy_stats() -> None:
    program = "import sys, cj_measurement; print('scipy.stats' in sys.modules)"

    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "False"
