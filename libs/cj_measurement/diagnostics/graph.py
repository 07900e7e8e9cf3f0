"""What a reader should know of a batch besides its scores: graph, contradictions, losses, length, close calls."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigvalsh
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from scipy.special import bdtrc, ndtr

from cj_measurement.comparisons import BoolArray, Comparisons, FloatArray, IntArray
from cj_measurement.correlations import spearman
from cj_measurement.errors import InvalidArgument, NotConverged
from cj_measurement.fitting.bradley_terry import COVARIANCE_LIMIT, Fit
from cj_measurement.fitting.information import DENSE_LIMIT

TOO_CLOSE = 0.8
"""P(θ_i > θ_j) from 1 − this to this: too close to call."""
CLUSTER_CHANCE = 0.01
"""Losses are flagged that would be seen in one batch in a hundred if every judgement were lost as easily."""
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


@dataclass(frozen=True, kw_only=True)
class Triads:
    """Triples of items in which all three pairs are decided, and how many of them go round in a circle."""

    closed: int
    circular: int

    @property
    def circular_share(self) -> float | None:
        """.25 when decisions are random; None without a closed triad."""
        return self.circular / self.closed if self.closed else None


@dataclass(frozen=True, kw_only=True)
class SwapConsistency:
    """Pairs that one judge judged in both orders, and the share in which the same item won."""

    judge: int
    pairs: int
    same_winner_share: float | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Losses:
    """Judgements asked for, missing and rejected, by item (n,); ``clustered`` has more lost than chance explains."""

    asked: IntArray
    missing: IntArray
    rejected: IntArray
    clustered: BoolArray


def graph_shape(comparisons: Comparisons) -> GraphShape:
    """The shape of the comparison graph; raises ``NotConverged``."""
    components = int(comparisons.components().max()) + 1
    counts = comparisons.counts
    strong = connected_components(_wins(comparisons), directed=True, connection="strong")[0]
    return GraphShape(
        components=components,
        win_graph_connected=bool(strong == 1),
        degree_min=int(counts.min()),
        degree_median=float(np.median(counts)),
        degree_max=int(counts.max()),
        algebraic_connectivity=_algebraic_connectivity(comparisons) if components == 1 else 0.0,
    )


def _wins(comparisons: Comparisons) -> "csr_array[np.float64, tuple[int, int]]":
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
    except ArpackNoConvergence as error:
        raise NotConverged("the algebraic connectivity was not found") from error


def circular_triads(comparisons: Comparisons) -> Triads:
    """Count triads over pairs that have a majority; a tied pair decides nothing."""
    wins = _wins(comparisons)
    majority = ((wins - wins.T) > 0).astype(np.int64)
    decided = majority + majority.T
    return Triads(
        closed=int((decided @ decided).multiply(decided).sum()) // 6,
        circular=int((majority @ majority).multiply(majority.T).sum()) // 3,
    )


def swap_consistency(comparisons: Comparisons) -> tuple[SwapConsistency, ...]:
    """For each judge; a pair judged several times in an order counts as the share of its decisions."""
    n = comparisons.n_items
    low, high = (
        np.minimum(comparisons.slot_a, comparisons.slot_b),
        np.maximum(comparisons.slot_a, comparisons.slot_b),
    )
    keys, pair = np.unique((comparisons.judge * n + low) * n + high, return_inverse=True)
    low_won, low_first = comparisons.winners == low, comparisons.slot_a == low
    first = _share(pair[low_first], low_won[low_first], len(keys))
    second = _share(pair[~low_first], low_won[~low_first], len(keys))
    same = first * second + (1 - first) * (1 - second)
    both, judge = np.isfinite(same), keys // n**2
    return tuple(_swaps_of(number, same[both & (judge == number)]) for number in range(comparisons.n_judges))


def _share(place: IntArray, won: BoolArray, count: int) -> FloatArray:
    """Share of wins by place, NaN where there are none."""
    with np.errstate(invalid="ignore"):
        return np.bincount(place, won, count) / np.bincount(place, minlength=count)


def _swaps_of(judge: int, same: FloatArray) -> SwapConsistency:
    share = float(same.mean()) if len(same) else None
    return SwapConsistency(judge=judge, pairs=len(same), same_winner_share=share)


def losses(
    n_items: int, *, judged: npt.ArrayLike, missing: npt.ArrayLike = (), rejected: npt.ArrayLike = ()
) -> Losses:
    """Count pairs (k, 2) that were judged, never answered, and answered in a way that could not be used, by item.

    An item is flagged when so many of its judgements are lost that binomial chance, at the batch's own rate of loss,
    would flag any item in one batch in a hundred (Bonferroni).
    """
    answered, silent, refused = (_by_item(n_items, pairs) for pairs in (judged, missing, rejected))
    lost, asked = silent + refused, answered + silent + refused
    rate = lost.sum() / max(int(asked.sum()), 1)
    chance = np.where(lost > 0, bdtrc(np.maximum(lost - 1, 0), asked, rate), 1.0)
    return Losses(asked=asked, missing=silent, rejected=refused, clustered=chance < CLUSTER_CHANCE / n_items)


def _by_item(n_items: int, pairs: npt.ArrayLike) -> IntArray:
    items = np.asarray(pairs, dtype=np.int64).reshape(-1)
    if len(items) and not (items.min() >= 0 and items.max() < n_items):
        raise InvalidArgument(f"items are numbered 0 to {n_items - 1}")
    return np.bincount(items, minlength=n_items)


def length_correlation(theta: FloatArray, lengths: npt.ArrayLike) -> float:
    """Spearman's correlation of scores with lengths, both (n,); raises ``InvalidArgument`` where one never varies."""
    sizes = np.asarray(lengths, dtype=np.float64).reshape(-1)
    if sizes.shape != theta.shape or not np.isfinite(sizes).all():
        raise InvalidArgument(f"{len(theta)} finite lengths are needed")
    if np.ptp(sizes) == 0 or np.ptp(theta) == 0:
        raise InvalidArgument("there is no correlation with something that never varies")
    return spearman(theta, sizes)


def close_calls(fit: Fit) -> tuple[tuple[int, ...], ...]:
    """Groups of two and more items, best first, within which every pair is too close to call.

    Neighbours in the ranking are grouped from the top, as long as nobody in a group is above another with more than
    ``TOO_CLOSE``. Beyond ``COVARIANCE_LIMIT`` items errors of different items count as independent, which calls a few
    more pairs close.
    """
    groups: list[list[int]] = []
    for item in np.argsort(-fit.theta, kind="stable"):
        if groups and np.all(_above(fit, np.array(groups[-1]), int(item)) <= TOO_CLOSE):
            groups[-1].append(int(item))
        else:
            groups.append([int(item)])
    return tuple(tuple(group) for group in groups if len(group) > 1)


def _above(fit: Fit, items: IntArray, other: int) -> FloatArray:
    """P(θ_i > θ_other) for each of the items."""
    spread = fit.variances[items] + fit.variances[other]
    if fit.n_items <= COVARIANCE_LIMIT:
        spread = spread - 2 * fit.covariance[items, other]
    return np.asarray(ndtr((fit.theta[items] - fit.theta[other]) / np.sqrt(spread)), dtype=np.float64)
