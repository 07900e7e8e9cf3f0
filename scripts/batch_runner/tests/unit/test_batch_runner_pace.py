"""How long judging takes: whichever of the rounds, the calls at a time and the limits takes longest."""

import pytest
from batch_runner.planning.pace import Pace, pace
from batch_runner.planning.pair_cost import PromptSize
from model_manifest import get_model

UNLIMITED = 1e9


@pytest.mark.parametrize(
    ("judges", "comparisons", "per_essay", "with_margins", "minutes"),
    [
        pytest.param(Pace(pairs_per_minute=10, answer_seconds=2), 100, 10, True, 10, id="rate limit"),
        pytest.param(
            Pace(pairs_per_minute=UNLIMITED, answer_seconds=2), 4_800, 10, True, 10, id="calls at a time"
        ),
        pytest.param(Pace(pairs_per_minute=UNLIMITED, answer_seconds=10), 60, 20, False, 6, id="rounds"),
        pytest.param(Pace(pairs_per_minute=UNLIMITED, answer_seconds=10), 60, 20, True, 1.2, id="few rounds"),
        pytest.param(
            Pace(pairs_per_minute=UNLIMITED, answer_seconds=10), 6, 2, True, 0.6, id="one or two rounds"
        ),
    ],
)
def test_what_takes_longest_sets_the_time(
    judges: Pace, comparisons: int, per_essay: float, with_margins: bool, minutes: float
) -> None:
    found = judges.minutes(comparisons, per_essay=per_essay, with_margins=with_margins)

    assert found == pytest.approx(minutes)


def test_a_panel_is_as_slow_as_its_slowest_judge_in_its_share() -> None:
    size = PromptSize.of_words(500)
    quick, slow = get_model("openai", "gpt-6-luna"), get_model("anthropic", "claude-haiku-5-5")

    alone, shared = pace([(slow, 1.0)], size), pace([(quick, 0.75), (slow, 0.25)], size)

    assert shared.answer_seconds == max(alone.answer_seconds, pace([(quick, 1.0)], size).answer_seconds)
    assert shared.pairs_per_minute == pytest.approx(
        min(alone.pairs_per_minute / 0.25, pace([(quick, 1.0)], size).pairs_per_minute / 0.75)
    )
