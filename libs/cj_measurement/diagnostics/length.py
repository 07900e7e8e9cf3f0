"""Whether scores follow the length of the essays."""

import numpy as np
import numpy.typing as npt

from cj_measurement.comparisons import FloatArray
from cj_measurement.correlations import spearman
from cj_measurement.errors import InvalidArgument


def length_correlation(theta: FloatArray, lengths: npt.ArrayLike) -> float:
    """Spearman's correlation of scores with lengths, both (n,); raises ``InvalidArgument`` where one never varies."""
    sizes = np.asarray(lengths, dtype=np.float64).reshape(-1)
    if sizes.shape != theta.shape or not np.isfinite(sizes).all():
        raise InvalidArgument(f"{len(theta)} finite lengths are needed")
    if np.ptp(sizes) == 0 or np.ptp(theta) == 0:
        raise InvalidArgument("there is no correlation with something that never varies")
    return spearman(theta, sizes)
