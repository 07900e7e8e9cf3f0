"""What awaited answers take from the uncertainty, before they are there."""

import numpy as np
import pytest
from cj_measurement import fit
from cj_measurement.pairing.expected_gain import covariance_after
from cj_measurement.tests.builders import judged


@pytest.mark.parametrize("pairs", [0, 5, 12, 40])
def test_awaited_answers_add_their_information_to_the_precision(pairs: int) -> None:
    """With fewer pairs than items and with more; some pairs are there twice."""
    fitted = fit(judged(12, per_item=8, seed=1).comparisons)
    generator = np.random.default_rng(2)
    a = generator.integers(12, size=pairs)
    b = (a + generator.integers(1, 12, size=pairs)) % 12
    told = generator.uniform(0, 0.25, size=pairs)
    precision = np.linalg.inv(fitted.covariance)
    for one, other, information in zip(a, b, told, strict=True):
        difference = np.eye(12)[one] - np.eye(12)[other]
        precision += information * np.outer(difference, difference)

    after = covariance_after(fitted.covariance, a, b, told)

    assert after == pytest.approx(np.linalg.inv(precision), rel=1e-9, abs=1e-12)
