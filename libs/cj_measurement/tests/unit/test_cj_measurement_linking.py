"""A batch judged against anchors of an earlier one is put on the earlier scale, with honest errors."""

import numpy as np
import pytest
from cj_measurement import AnchorScale, Fit, InvalidArgument, Linked, LinkMethod, fit, link
from cj_measurement.comparisons import FloatArray
from cj_measurement.tests.builders import judged

ANCHORS = 12
BOTH = pytest.mark.parametrize("method", list(LinkMethod))


def two_batches(
    seed: int, *, shift: float = 0.8, drifted: FloatArray | None = None, per_item: int = 20
) -> tuple[FloatArray, FloatArray, Fit, AnchorScale]:
    """Truths of the earlier and of the new batch, whose first items are anchors, the new fit, the earlier scale."""
    generator = np.random.default_rng(1000 + seed)
    earlier = generator.normal(0, 1.5, 60)
    chosen = generator.choice(60, ANCHORS, replace=False)
    moved = earlier[chosen] + (0 if drifted is None else drifted)
    truth = np.concatenate([moved, generator.normal(shift, 1.5, 48)])
    first = fit(judged(60, per_item=20, truth=earlier, seed=seed).comparisons)
    second = fit(judged(60, per_item=per_item, truth=truth, bias=(0.3,), seed=500 + seed).comparisons)
    anchors = AnchorScale.from_fit(first, earlier_items=chosen.tolist(), items=np.arange(ANCHORS))
    return earlier, truth, second, anchors


@BOTH
def test_new_essays_come_to_lie_where_the_earlier_scale_has_them(method: LinkMethod) -> None:
    earlier, truth, alone, anchors = two_batches(1)

    linked = link(alone.comparisons, anchors, method=method)

    new = slice(ANCHORS, None)
    wanted = truth - earlier.mean()
    assert abs(alone.theta[new].mean() - wanted[new].mean()) > 0.2
    assert linked.theta[new].mean() == pytest.approx(wanted[new].mean(), abs=0.4)
    assert np.corrcoef(linked.theta[new], wanted[new])[0, 1] > 0.85
    assert np.all(linked.standard_errors[new] > linked.linking_errors[new])
    assert np.all(linked.linking_errors[new] > 0)


def test_fixed_anchors_keep_their_earlier_place_and_error() -> None:
    _, _, alone, anchors = two_batches(2)

    linked = link(alone.comparisons, anchors)

    assert linked.theta[:ANCHORS] == pytest.approx(anchors.theta)
    assert linked.standard_errors[:ANCHORS] == pytest.approx(np.sqrt(np.diag(anchors.covariance)))
    assert linked.slope == 1


def test_mean_and_spread_of_the_anchors_are_carried_over() -> None:
    _, _, alone, anchors = two_batches(3)

    linked = link(alone.comparisons, anchors, method=LinkMethod.MEAN_SIGMA)

    assert linked.theta == pytest.approx(linked.slope * alone.theta + linked.intercept)
    assert linked.theta[:ANCHORS].mean() == pytest.approx(anchors.theta.mean())


@BOTH
def test_the_link_moves_with_the_anchors_as_its_errors_assume(method: LinkMethod) -> None:
    """The derivative that carries the anchors' errors over, against a difference."""
    _, _, alone, anchors = two_batches(4)
    nothing = AnchorScale(anchors.items, anchors.theta, np.zeros((ANCHORS, ANCHORS)))
    one_sure = np.zeros((ANCHORS, ANCHORS))
    one_sure[2, 2] = 1e-4
    step = np.where(np.arange(ANCHORS) == 2, 1e-2, 0.0)

    base = link(alone.comparisons, nothing, method=method)
    moved = link(alone.comparisons, AnchorScale(anchors.items, anchors.theta + step, one_sure), method=method)
    back = link(alone.comparisons, AnchorScale(anchors.items, anchors.theta - step, one_sure), method=method)
    with_error = link(alone.comparisons, AnchorScale(anchors.items, anchors.theta, one_sure), method=method)

    new = slice(ANCHORS, None)
    derivative = (moved.theta - back.theta)[new] / 2e-2
    grown = (with_error.standard_errors**2 - base.standard_errors**2)[new]
    drift = (with_error.drift**2 - base.drift**2) * sensitivity(base, method, alone, anchors)[new]
    assert grown - drift == pytest.approx(derivative**2 * 1e-4, abs=3e-6)


def sensitivity(base: Linked, method: LinkMethod, alone: Fit, anchors: AnchorScale) -> FloatArray:
    """Σ over anchors of the squared derivative, (n,): what a common drift variance is multiplied by."""
    total = np.zeros(alone.n_items)
    for anchor in range(ANCHORS):
        step = np.where(np.arange(ANCHORS) == anchor, 1e-3, 0.0)
        none = np.zeros((ANCHORS, ANCHORS))
        moved = link(alone.comparisons, AnchorScale(anchors.items, anchors.theta + step, none), method=method)
        total += ((moved.theta - base.theta) / 1e-3) ** 2
    return total


def test_an_anchor_that_moved_is_displaced() -> None:
    drifted = np.where(np.arange(ANCHORS) == 5, 4.0, 0.0)
    _, _, steady, anchors = two_batches(6)
    _, _, moved, _ = two_batches(6, drifted=drifted)

    before, after = link(steady.comparisons, anchors), link(moved.comparisons, anchors)

    assert after.displaced[5]
    assert np.abs(after.displacement).argmax() == 5
    assert not before.displaced.any()


def test_a_line_through_certain_anchors_is_as_uncertain_as_draws_of_the_batch_say() -> None:
    """Lines through the anchors of draws from the batch's posterior, against the errors from derivatives."""
    _, _, alone, anchors = two_batches(8)
    certain = AnchorScale(anchors.items, anchors.theta, np.zeros((ANCHORS, ANCHORS)))
    draws = alone.draws(2000, seed=1)
    drawn = draws[:, :ANCHORS]
    slopes = anchors.theta.std() / drawn.std(axis=1)
    lines = slopes[:, None] * (draws - drawn.mean(axis=1)[:, None]) + anchors.theta.mean()

    linked = link(alone.comparisons, certain, method=LinkMethod.MEAN_SIGMA)

    assert linked.drift == 0
    assert np.mean(linked.standard_errors / lines.std(axis=0)) == pytest.approx(1, abs=0.1)
    assert np.corrcoef(linked.standard_errors, lines.std(axis=0))[0, 1] > 0.9


def test_the_earlier_scales_own_zero_has_no_error() -> None:
    earlier = fit(judged(20, seed=1).comparisons)

    everything = AnchorScale.from_fit(earlier, earlier_items=range(20), items=np.arange(20))

    assert everything.covariance.sum(axis=0) == pytest.approx(0, abs=1e-9)
    assert np.all(np.diag(everything.covariance) < earlier.variances)


@BOTH
def test_anchors_that_drifted_apart_widen_the_errors(method: LinkMethod) -> None:
    drifted = np.random.default_rng(3).normal(0, 2.5, ANCHORS)
    _, _, steady, anchors = two_batches(6)
    _, _, moved, _ = two_batches(6, drifted=drifted)

    before = link(steady.comparisons, anchors, method=method)
    after = link(moved.comparisons, anchors, method=method)

    assert after.drift > before.drift + 0.5
    assert after.linking_errors[ANCHORS:].mean() > before.linking_errors[ANCHORS:].mean()


def test_errors_alone_will_do_where_the_earlier_fit_is_gone() -> None:
    _, _, alone, anchors = two_batches(7)
    known = AnchorScale.of(anchors.items, anchors.theta, np.sqrt(np.diag(anchors.covariance)))

    whole, linked = link(alone.comparisons, anchors), link(alone.comparisons, known)

    assert linked.theta == pytest.approx(whole.theta)
    assert linked.standard_errors == pytest.approx(whole.standard_errors, rel=0.15)


@pytest.mark.parametrize(
    ("items", "theta", "errors", "message"),
    [
        ([0, 1], [0.0], [0.1, 0.1], "one ability and one standard error"),
        ([0, 1], [0.0, np.nan], [0.1, 0.1], "finite"),
        ([0, 1], [0.0, 1.0], [0.1, np.inf], "finite"),
        ([1, 1], [0.0, 1.0], [0.1, 0.1], "duplicate anchor"),
    ],
)
def test_anchors_that_contradict_themselves_are_refused(
    items: list[int], theta: list[float], errors: list[float], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        AnchorScale.of(items, theta, errors)


def test_too_few_unknown_or_equal_anchors_are_refused() -> None:
    data = judged(20, seed=1).comparisons

    with pytest.raises(InvalidArgument, match="at least 2 anchors, not 1"):
        link(data, AnchorScale.of([0], [0.0], [0.1]))
    with pytest.raises(InvalidArgument, match="at least 3 anchors, not 2"):
        link(data, AnchorScale.of([0, 1], [0.0, 1.0], [0.1, 0.1]), method=LinkMethod.MEAN_SIGMA)
    with pytest.raises(InvalidArgument, match="items of the batch"):
        link(data, AnchorScale.of([0, 20], [0.0, 1.0], [0.1, 0.1]))
    with pytest.raises(InvalidArgument, match="do not differ"):
        link(data, AnchorScale.of([0, 1, 2], [1.0] * 3, [0.1] * 3), method=LinkMethod.MEAN_SIGMA)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "per_item"), [(LinkMethod.FIXED_ANCHOR, 10), (LinkMethod.MEAN_SIGMA, 10)])
def test_ninety_per_cent_intervals_on_the_earlier_scale_cover_nine_times_in_ten(
    method: LinkMethod, per_item: int
) -> None:
    covered = []
    for seed in range(40):
        earlier, truth, alone, anchors = two_batches(seed, per_item=per_item)
        linked = link(alone.comparisons, anchors, method=method)
        off = np.abs(linked.theta - truth + earlier.mean()) < 1.6449 * linked.standard_errors
        covered.append(off[ANCHORS:].mean())

    assert 0.85 < np.mean(covered) < 0.94
