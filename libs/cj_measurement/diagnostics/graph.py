"""The comparison graph: how the items of a batch are linked to each other."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigvalsh
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from cj_measurement.comparisons import Comparisons, FloatArray
from cj_measurement.errors import NotConverged
from cj_measurement.fitting.information import DENSE_LIMIT

START_SEED = 7


@dataclass(frozen=True, kw_only=True)
class GraphShape:
    """How the comparisons hang together.

    ``win_graph_connected``: from every item a chain of wins leads to every other, so that even scores without a
    prior are finite. ``algebraic_connectivity`` is the second smallest eigenvalue of the Laplacian, 0 in parts.
    """

    components: int
    win_graph_connected: bool
    degree_min: int
    degree_median: float
    degree_max: int
    algebraic_connectivity: float


def graph_shape(comparisons: Comparisons) -> GraphShape:
    """The shape of the comparison graph; raises ``NotConverged``."""
    components = int(comparisons.components().max()) + 1
    counts = comparisons.counts
    strong = connected_components(wins_by_pair(comparisons), directed=True, connection="strong")[0]
    return GraphShape(
        components=components,
        win_graph_connected=bool(strong == 1),
        degree_min=int(counts.min()),
        degree_median=float(np.median(counts)),
        degree_max=int(counts.max()),
        algebraic_connectivity=_algebraic_connectivity(comparisons) if components == 1 else 0.0,
    )


def wins_by_pair(comparisons: Comparisons) -> "csr_array[np.float64, tuple[int, int]]":
    """How often the row's item beat the column's."""
    n = comparisons.n_items
    wins = csr_array((np.ones(len(comparisons)), (comparisons.winners, comparisons.losers)), shape=(n, n))
    # Not only for tidiness: scipy's search for strong components does not end where a link is there twice.
    wins.sum_duplicates()
    return wins


def _algebraic_connectivity(comparisons: Comparisons) -> float:
    links = comparisons.links.matrix(np.ones(len(comparisons)))
    laplacian = diags_array(comparisons.counts.astype(np.float64)) - links
    if comparisons.n_items <= DENSE_LIMIT:
        return float(eigvalsh(laplacian.toarray(), subset_by_index=[1, 1])[0])
    return _second_eigenvalue(laplacian.tocsr(), shift=2.0 * float(comparisons.counts.max()))


def _second_eigenvalue(laplacian: "csr_array[np.float64, tuple[int, int]]", *, shift: float) -> float:
    """The smallest eigenvalue once that of the constant vector, 0, is moved to ``shift``, above all others."""
    n = laplacian.shape[0]

    def times(x: FloatArray) -> FloatArray:
        flat = x.reshape(-1)
        return np.asarray(laplacian @ flat + shift * flat.mean(), dtype=np.float64)

    start = np.random.default_rng(START_SEED).standard_normal(n)
    operator = LinearOperator((n, n), matvec=times, dtype=np.float64)
    try:
        return float(eigsh(operator, k=1, which="SA", tol=1e-4, v0=start, return_eigenvectors=False)[0])
    except ArpackError as error:
        raise NotConverged("the algebraic connectivity was not found") from error
