"""The chaos run in short: faults are injected while a batch is judged, and nothing is lost or counted twice."""

import os
from pathlib import Path

import pytest
import stamina
from event_contracts import AssessmentState
from suite.chaos.clocks import NoSteppableClock, SteppableClock
from suite.chaos.faults import Faults
from suite.chaos.judging import compare
from suite.embedded.kafka import unavailable_reason

COMPARISONS = 60
FAULTS = Faults(kills=2, pauses=1, postgres_kills=1, postgres_every=2.0, broker_frozen=1.0, broker_down=2.0)


@pytest.fixture(autouse=True)
def _own_broker() -> None:
    if (lacking := unavailable_reason()) and not os.environ.get("CI"):
        pytest.skip(f"no Apache Kafka to stop and kill: {lacking}")
    stamina.instrumentation.set_on_retry_hooks([])


@pytest.mark.slow
async def test_a_batch_with_faults_everywhere_ends_as_one_without(tmp_path: Path) -> None:
    quiet, with_faults = await compare(tmp_path, comparisons=COMPARISONS, faults=FAULTS)

    outcome = with_faults.outcome
    assert outcome.status.state is AssessmentState.COMPLETED
    assert (outcome.lost, outcome.twice) == (0, 0)
    assert outcome.ranking == quiet.outcome.ranking != []
    assert with_faults.kills > FAULTS.kills
    assert "broker down" in with_faults.recovery


def test_a_clock_says_how_far_it_is_stepped_and_who_lacks_the_library_is_told_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SteppableClock(tmp_path / "clock")
    clock.step(-20)

    assert clock.file.read_text("ascii") == "-20\n"
    monkeypatch.setattr("suite.chaos.clocks.PLACES", (str(tmp_path),))
    with pytest.raises(NoSteppableClock, match="apt-get install libfaketime"):
        assert clock.environment
