"""A run's record and CJ Assessment find the same scale in the same graded answers."""

import math
import random

import pytest
from batch_runner.artefact.inputs import RunInputs, StudentInput
from batch_runner.artefact.judged import ComparisonStatus, RecordedComparison
from batch_runner.artefact.scoring import scored
from cj_assessment.domain.batch import Essay
from cj_assessment.domain.comparison import Asked
from cj_assessment.domain.measuring import Fitted, fit_comparisons
from cj_assessment.tests.building import asked

ESSAYS = 20
ROUNDS = 8


def judged(seed: int) -> list[Asked]:
    """Answers of an honest judge of SD 3: winner, margin and, for every other one, log-odds."""
    chance = random.Random(seed)
    ability = [chance.gauss(0, 3) for _ in range(ESSAYS)]
    found = []
    for number in range(ESSAYS * ROUNDS // 2):
        a, b = chance.sample(range(ESSAYS), 2)
        lead = ability[a] - ability[b] + math.log(1 / chance.random() - 1)
        margin = 1 + (abs(lead) > 2) + (abs(lead) > 5)
        odds = lead if number % 2 else None
        winner_known = asked(a, b, a_won=lead > 0)
        found.append(winner_known._replace(margin=margin, confidence=3.0, log_odds_a=odds))
    return found


def recorded(pairs: list[Asked]) -> list[RecordedComparison]:
    names = [f"e{item}" for item in range(ESSAYS)]
    return [
        RecordedComparison.model_construct(
            essay_a_id=names[pair.slot_a],
            essay_b_id=names[pair.slot_b],
            winner_id=names[pair.slot_a if pair.a_won else pair.slot_b],
            status=ComparisonStatus.SUCCEEDED,
            panel_place=0,
            confidence=pair.confidence,
            margin=pair.margin,
            log_odds_a=pair.log_odds_a,
        )
        for pair in pairs
    ]


@pytest.mark.parametrize("seed", range(3))
def test_margins_count_in_a_runs_record_as_they_count_in_the_service(seed: int) -> None:
    pairs = judged(seed)
    essays = [Essay(item=item, essay_id=f"e{item}", text_storage_id="t") for item in range(ESSAYS)]
    students = tuple(StudentInput.model_construct(essay_id=f"e{item}") for item in range(ESSAYS))
    inputs = RunInputs.model_construct(anchors=(), students=students)

    fitted = fit_comparisons(essays, pairs, judges=())
    scores = scored(inputs, recorded(pairs), ranked=[essay.essay_id for essay in essays], grades={})

    assert isinstance(fitted, Fitted)
    assert fitted.fit.is_graded
    ours = {score.essay_id: (score.theta, score.standard_error) for score in scores}
    for essay, theta, error in zip(essays, fitted.fit.theta, fitted.fit.standard_errors, strict=True):
        assert ours[essay.essay_id] == pytest.approx((float(theta), float(error)), rel=1e-12, abs=1e-12)


def test_without_margins_the_scale_is_that_of_the_winners() -> None:
    pairs = judged(0)
    students = tuple(StudentInput.model_construct(essay_id=f"e{item}") for item in range(ESSAYS))
    inputs = RunInputs.model_construct(anchors=(), students=students)
    ranked = [f"e{item}" for item in range(ESSAYS)]
    winners = [pair._replace(margin=None, confidence=None, log_odds_a=None) for pair in pairs]

    graded = scored(inputs, recorded(pairs), ranked=ranked, grades={})
    plain = scored(inputs, recorded(winners), ranked=ranked, grades={})

    assert [score.theta for score in graded] != [score.theta for score in plain]
