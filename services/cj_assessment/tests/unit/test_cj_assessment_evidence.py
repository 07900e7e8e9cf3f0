"""One look at a batch computes each thing once, and its result is read from what the decision was taken on."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import cj_measurement as measurement
import event_contracts as contracts
import pytest
from cj_assessment.domain.batch import Judge
from cj_assessment.domain.comparison import Asked
from cj_assessment.domain.deciding import Evidence, Finish, Ranking, decide
from cj_assessment.domain.results import assessment_result
from cj_assessment.tests.batch_simulation import FAILED, PlayedBatch, sharp_judge
from cj_assessment.tests.building import NOW, asked, batch, essays, snapshot
from event_contracts import AssessmentResultV1, grade_scale

SCALE = grade_scale("eng5_np_legacy_9_step")
GRADED = essays(10, anchors={0: "A", 3: "B", 6: "C+", 9: "F+"})
PANEL = (
    Judge(provider="openai", model="gpt-5", share=0.5),
    Judge(provider="google", model="gemini", share=0.5),
)


@dataclass
class Computed:
    """The comparisons that each fit was of, and how often grades were projected."""

    fits: list[bytes] = field(default_factory=list)
    projections: int = 0


@contextmanager
def counted() -> Iterator[Computed]:
    """What the measurement library is asked for in the meantime."""
    seen = Computed()
    fit: Callable[..., measurement.Fit] = measurement.fit
    project = measurement.project_grades

    def fits(comparisons: measurement.Comparisons, **more: object) -> measurement.Fit:
        seen.fits.append(b"|".join(part.tobytes() for part in (comparisons.slot_a, comparisons.slot_b)))
        return fit(comparisons, **more)

    def projects(**more: object) -> measurement.GradeProjection | measurement.NoProjection:
        seen.projections += 1
        return project(**more)  # type: ignore[arg-type]  # what the caller gave

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurement, "fit", fits)
        patch.setattr(measurement, "project_grades", projects)
        yield seen


def played_to_its_last_look(**limits: object) -> PlayedBatch:
    """A batch whose next decision is to finish."""
    played = PlayedBatch(GRADED, sharp_judge, order=1, scale=SCALE, **limits)
    played.play()
    return played


def published(played: PlayedBatch) -> AssessmentResultV1:
    known = played.known()
    decision = decide(known)
    assert isinstance(decision, Finish)
    return assessment_result(batch(known), known.essays, known, decision, now=NOW)


@pytest.mark.parametrize("target", [0.7, 0.99])
def test_a_finishing_look_and_its_result_fit_no_data_twice(target: float) -> None:
    played = played_to_its_last_look(target_reliability=target, max_comparisons=60)

    with counted() as seen:
        published(played)

    assert len(seen.fits) == len(set(seen.fits)) <= 2


def test_a_look_at_essays_that_are_not_linked_fits_each_group_of_comparisons_once() -> None:
    pairs = [asked(0, 1), asked(1, 2), asked(2, 0), asked(3, 4)]

    with counted() as seen:
        end = decide(snapshot(essays(5), pairs, max_comparisons=4))

    assert isinstance(end, Finish)
    assert len(seen.fits) == len(set(seen.fits))


def test_rounds_that_brought_no_judgement_need_no_fit_of_their_own() -> None:
    pairs = [asked(0, 1), asked(1, 2), asked(2, 0), *(asked(0, 1, FAILED, number=2) for _ in range(2))]

    with counted() as seen:
        end = decide(snapshot(essays(3), pairs, max_comparisons=3))

    assert isinstance(end, Finish)
    assert len(seen.fits) == 1


def test_grades_that_a_gate_was_read_from_are_those_that_are_published() -> None:
    played = played_to_its_last_look(target_reliability=0.7, max_comparisons=60)
    known = played.known()
    decision = decide(known)
    assert isinstance(decision, Finish)
    assert decision.measured is not None

    with counted() as seen:
        result = assessment_result(batch(known), known.essays, known, decision, now=NOW)

    assert seen.projections == 0
    assert seen.fits == []
    share = decision.measured.gates["grade_change_share"].value
    assert share is not None
    assert result.assessment_metadata.grade_projections.calibration_info["expected_change_share"] == share


def test_grades_are_not_computed_while_the_reliability_is_far_off() -> None:
    played = PlayedBatch(GRADED, sharp_judge, order=1, scale=SCALE, target_reliability=0.999)

    with counted() as seen:
        for _ in range(40):
            played.take(played.look())

    assert seen.fits
    assert seen.projections == 0


def test_a_judge_keeps_its_statistics_when_its_vendor_answers_with_a_dated_name() -> None:
    names = ["openai/gpt-5-2025-08-07", "google/gemini-002"]

    def judge(pair: Asked) -> Asked:
        return sharp_judge(pair)._replace(judge=names[pair.assigned])

    played = PlayedBatch(
        essays(6), judge, order=1, judges=PANEL, max_comparisons=60, target_reliability=0.999
    )
    played.play()

    metadata = published(played).assessment_metadata
    judges = (metadata.model_extra or {})["judges"]
    assert set(judges) == set(metadata.position_bias) == {"openai/gpt-5", "google/gemini"}
    for name, other, answered in zip(sorted(judges), sorted(judges)[::-1], names[::-1], strict=True):
        assert judges[name]["answered_as"] == {answered: judges[name]["comparisons"]}
        assert judges[name]["agreement"][other]["pairs"] > 0
        assert "both_orders" in judges[name]


def test_a_result_publishes_the_keys_of_its_reliability_in_one_order() -> None:
    played = PlayedBatch(essays(6), sharp_judge, order=1, max_comparisons=30, target_reliability=0.999)
    played.play()

    written = json.loads(published(played).model_dump_json())["assessment_metadata"]

    assert list(written["reliability"]) == [
        "eb",
        "ssr",
        "ssr_prime",
        "split_half",
        "is_inflated",
        "tau",
        "gates",
        "target",
    ]
    assert all(
        list(gate) == ["status", "value", "limit"] for gate in written["reliability"]["gates"].values()
    )
    (effect,) = written["position_bias"].values()
    assert list(effect) == ["b", "se", "p_first_if_equal", "comparisons"]


def test_a_result_without_comparisons_publishes_that_nothing_was_measured() -> None:
    nothing = snapshot(essays(2), [], target_reliability=0.9)
    ended = Finish(reason=contracts.StopReason.CANCELLED, ranking=None, measured=None, unranked={})

    result = assessment_result(batch(nothing), nothing.essays, nothing, ended, now=NOW)

    written = json.loads(result.model_dump_json())["assessment_metadata"]
    assert written["reliability"] == {
        "eb": None,
        "ssr": None,
        "target": batch(nothing).limits.target_reliability,
    }
    assert written["position_bias"] == {}


def test_two_names_of_one_judge_are_one_judge() -> None:
    pairs = [asked(0, 1), asked(1, 2), asked(2, 0)]
    renamed = [pair._replace(judge=f"openai/gpt-5-{number}") for number, pair in enumerate(pairs)]

    ranking = Evidence(snapshot=snapshot(essays(3), renamed, judges=PANEL)).ranking

    assert isinstance(ranking, Ranking)
    assert ranking.fitted.judges == ("openai/gpt-5",)


@pytest.mark.parametrize("name", ["StopReason", "GateStatus", "ConfidenceLabel"])
def test_the_wire_has_every_word_of_the_library(name: str) -> None:
    """Both stand alone, so each has the words: a decision taken in the library's is sent in the wire's."""
    words, on_the_wire = getattr(measurement, name), getattr(contracts, name)

    assert {member.value for member in words} <= {member.value for member in on_the_wire}
