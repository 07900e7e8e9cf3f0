"""Abilities from a run's recorded comparisons: computing them again gives the same numbers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite, nan

import numpy as np
from cj_measurement import Comparisons, Fit, MeasurementError, fit, item_fit

from batch_runner.artefact.inputs import RunInputs
from batch_runner.artefact.judged import ComparisonStatus, RecordedComparison
from batch_runner.artefact.outcome import Score


def scored(
    inputs: RunInputs,
    comparisons: Sequence[RecordedComparison],
    *,
    ranked: Sequence[str],
    grades: dict[str, str],
) -> tuple[Score, ...]:
    """The scores of the ``ranked`` essays, best first, from their comparisons with each other.

    ``grades`` are those that were projected. Empty where the comparisons give no scale.
    """
    names = _in_order(inputs, ranked)
    place = {name: number for number, name in enumerate(names)}
    judged = [
        each
        for each in comparisons
        if each.status is ComparisonStatus.SUCCEEDED and each.essay_a_id in place and each.essay_b_id in place
    ]
    try:
        panel = {asked: number for number, asked in enumerate(sorted({each.panel_place for each in judged}))}
        fitted = fit(arrays_of(place, judged, judges=[panel[each.panel_place] for each in judged]))
    except MeasurementError:
        return ()
    anchors = {anchor.anchor_id: anchor.grade for anchor in inputs.anchors}
    return tuple(_scores(names, fitted, anchors, grades))


def _in_order(inputs: RunInputs, ranked: Sequence[str]) -> list[str]:
    """The order of the inputs, students first: sums of floating point numbers depend on it."""
    wanted = set(ranked)
    everyone = [*(each.essay_id for each in inputs.students), *(each.anchor_id for each in inputs.anchors)]
    return [name for name in everyone if name in wanted]


def arrays_of(
    place: Mapping[str, int], judged: Sequence[RecordedComparison], *, judges: Sequence[int]
) -> Comparisons:
    """Comparisons that succeeded as the measurement takes them; ``place`` is by essay id, ``judges`` in their order."""
    return Comparisons.of(
        len(place),
        [place[each.essay_a_id] for each in judged],
        [place[each.essay_b_id] for each in judged],
        [each.winner_id == each.essay_a_id for each in judged],
        judges,
        margin=_stated(each.margin for each in judged),
        confidence=_stated(each.confidence for each in judged),
        log_odds=_stated(each.log_odds_a for each in judged),
    )


def _stated(values: Iterable[float | None]) -> list[float]:
    """What the judge does not state is not a number."""
    return [nan if value is None else float(value) for value in values]


def _scores(
    names: Sequence[str], fitted: Fit, anchors: dict[str, str], grades: dict[str, str]
) -> Iterator[Score]:
    squares, data = item_fit(fitted), fitted.comparisons
    wins = np.bincount(data.winners, minlength=len(names))
    counts = wins + np.bincount(data.losers, minlength=len(names))
    order = np.argsort(-fitted.theta, kind="stable").tolist()
    rank, previous = 0, float("nan")
    for number, item in enumerate(order, start=1):
        theta = float(fitted.theta[item])
        rank, previous = (rank if theta == previous else number), theta
        name = names[item]
        yield Score(
            essay_id=name,
            theta=theta,
            standard_error=float(fitted.standard_errors[item]),
            rank=rank,
            comparison_count=int(counts[item]),
            wins=int(wins[item]),
            is_anchor=name in anchors,
            anchor_grade=anchors.get(name),
            grade_projection=grades.get(name),
            infit=_finite(float(squares.infit[item])),
            outfit=_finite(float(squares.outfit[item])),
        )


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None
