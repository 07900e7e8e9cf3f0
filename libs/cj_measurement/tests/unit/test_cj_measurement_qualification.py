"""A candidate judge takes a reference's place only on evidence."""

from decimal import Decimal

import numpy as np
import pytest
from cj_measurement import (
    Comparisons,
    CriterionStatus,
    InvalidArgument,
    Qualification,
    QualificationSettings,
    Verdict,
    fit,
    qualify,
    scale_correlation,
)
from cj_measurement.comparisons import FloatArray
from cj_measurement.tests.builders import judged
from scipy.special import expit


def same_pairs(
    *,
    n_items: int = 60,
    per_item: int = 40,
    seed: int = 0,
    sharpness: float = 1.0,
    bias: float = 0.0,
    candidate_truth: FloatArray | None = None,
) -> Comparisons:
    """Judge 0 is the reference, judge 1 the candidate, on the same pairs in the same order."""
    reference = judged(n_items, per_item=per_item, sd=2.0, seed=seed)
    data, truth = reference.comparisons, reference.truth if candidate_truth is None else candidate_truth
    logit = sharpness * (truth[data.slot_a] - truth[data.slot_b]) + bias
    won = np.random.default_rng(7000 + seed).random(len(data)) < expit(logit)
    judge = np.repeat([0, 1], len(data))
    return Comparisons.of(
        n_items, np.tile(data.slot_a, 2), np.tile(data.slot_b, 2), np.append(data.a_won, won), judge
    )


def ask(data: Comparisons, **costs: Decimal) -> Qualification:
    return qualify(
        data, reference=0, candidate=1, settings=QualificationSettings(max_cost_ratio=2.0), **costs
    )


def statuses(qualification: Qualification) -> dict[str, CriterionStatus]:
    return {criterion.name: criterion.status for criterion in qualification.criteria}


def test_a_judge_like_the_reference_qualifies_and_every_reason_is_given() -> None:
    found = ask(same_pairs(), reference_cost=Decimal("0.002"), candidate_cost=Decimal("0.001"))

    assert found.verdict is Verdict.QUALIFIED
    assert set(statuses(found).values()) == {CriterionStatus.PASSED}
    assert len(found.reasons) == 6
    assert any("costs 0.50 times as much" in reason for reason in found.reasons)
    for criterion in found.criteria:
        if criterion.low is not None and criterion.value is not None and criterion.high is not None:
            assert criterion.low <= criterion.value <= criterion.high


@pytest.mark.parametrize(
    ("sharpness", "bias", "failed"),
    [
        (0.0, 0.0, "correlation"),
        (0.3, 0.0, "sharpness"),
        (1.0, 1.5, "position_effect"),
        (-1.0, 0.0, "correlation"),
    ],
)
def test_a_judge_unlike_the_reference_is_refused_for_what_is_wrong(
    sharpness: float, bias: float, failed: str
) -> None:
    found = ask(same_pairs(sharpness=sharpness, bias=bias))

    assert found.verdict is Verdict.NOT_QUALIFIED
    assert statuses(found)[failed] is CriterionStatus.FAILED
    assert found.reasons


def test_a_judge_who_values_something_else_is_refused() -> None:
    reference = judged(60, sd=2.0, seed=0).truth
    other = 0.4 * reference + 0.9 * np.random.default_rng(5).normal(0, 2.0, 60)

    found = ask(same_pairs(candidate_truth=other))

    assert found.verdict is Verdict.NOT_QUALIFIED
    assert statuses(found)["correlation"] is CriterionStatus.FAILED
    assert statuses(found)["agreement_shortfall"] is CriterionStatus.FAILED


def test_a_judge_who_always_takes_the_first_slot_is_refused() -> None:
    data = same_pairs()

    found = ask(Comparisons.of(60, data.slot_a, data.slot_b, data.a_won | (data.judge == 1), data.judge))

    assert found.verdict is Verdict.NOT_QUALIFIED
    assert statuses(found)["position_effect"] is CriterionStatus.FAILED


def test_too_little_evidence_decides_nothing() -> None:
    found = ask(same_pairs(n_items=12, per_item=4, seed=2))

    assert found.verdict is Verdict.UNDECIDED
    assert statuses(found)["pairs"] is CriterionStatus.UNDECIDED
    assert any("common pairs, at least 100 are required" in reason for reason in found.reasons)


def test_common_pairs_that_fall_into_parts_decide_nothing() -> None:
    pairs = [(0, 1), (1, 0), (2, 3), (3, 2)] * 10
    slots = np.array(pairs + pairs)
    won = np.random.default_rng(0).random(len(slots)) < 0.5

    found = ask(Comparisons.of(4, slots[:, 0], slots[:, 1], won, np.repeat([0, 1], len(pairs))))

    assert found.verdict is Verdict.UNDECIDED
    assert statuses(found)["correlation"] is CriterionStatus.UNDECIDED


@pytest.mark.parametrize(
    ("reference", "candidate", "limit", "status"),
    [
        ("0.001", "0.003", 2.0, CriterionStatus.FAILED),
        ("0.001", "0.003", None, CriterionStatus.NOT_EVALUATED),
        ("0.001", None, 2.0, CriterionStatus.NOT_EVALUATED),
        ("0", "0.003", 2.0, CriterionStatus.NOT_EVALUATED),
    ],
)
def test_cost_counts_where_it_is_known_and_limited(
    reference: str, candidate: str | None, limit: float | None, status: CriterionStatus
) -> None:
    found = qualify(
        same_pairs(),
        reference=0,
        candidate=1,
        reference_cost=Decimal(reference),
        candidate_cost=None if candidate is None else Decimal(candidate),
        settings=QualificationSettings(max_cost_ratio=limit),
    )

    assert statuses(found)["cost_ratio"] is status


def test_judges_without_common_pairs_cannot_be_compared() -> None:
    data = Comparisons.of(3, [0, 1, 2], [1, 2, 0], [True, True, True], [0, 1, 1])

    with pytest.raises(InvalidArgument, match="have both judge the same pairs"):
        qualify(data, reference=0, candidate=1)
    with pytest.raises(InvalidArgument, match="cannot compare a judge with itself"):
        qualify(data, reference=1, candidate=1)


def test_little_knowledge_of_two_scales_leaves_their_correlation_open() -> None:
    data = same_pairs(n_items=12, per_item=4)

    found = scale_correlation(fit(data.where(data.judge == 0)), fit(data.where(data.judge == 1)))

    assert found.high - found.low > 0.5
    with pytest.raises(InvalidArgument, match="same items"):
        scale_correlation(fit(data), fit(judged(20).comparisons))


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_intervals_of_a_correlation_cover_nine_times_in_ten(rho: float) -> None:
    covered = []
    for seed in range(40):
        truth = judged(50, per_item=12, sd=2.0, seed=seed).truth
        other = rho * truth + np.sqrt(1 - rho**2) * np.random.default_rng(9000 + seed).normal(0, 2.0, 50)
        data = same_pairs(n_items=50, per_item=12, seed=seed, candidate_truth=other)
        found = scale_correlation(fit(data.where(data.judge == 0)), fit(data.where(data.judge == 1)))
        covered.append(found.low <= rho <= found.high)

    assert 0.82 < np.mean(covered) < 0.97
