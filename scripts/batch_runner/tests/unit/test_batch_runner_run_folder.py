"""What a run's folder keeps, so that the run can be resumed."""

import json
from pathlib import Path

import pytest
from batch_runner.artefact.forgetting import SETTINGS
from batch_runner.running.run_folder import KafkaSettings, RunFolder, RunSettings
from event_contracts import InvalidRequest

KAFKA = KafkaSettings(bootstrap="127.0.0.1:9092", client_id="cj-run", topic_prefix="")
OVER_KAFKA = RunSettings(
    folder="essays",
    label="9b",
    transport="kafka",
    url="http://127.0.0.1:8101",
    course="ENG5",
    kafka=KAFKA,
    options={},
)


def test_a_run_is_resumed_with_the_settings_that_it_began_with(tmp_path: Path) -> None:
    RunFolder(tmp_path).begin(OVER_KAFKA)

    assert RunFolder(tmp_path).settings() == OVER_KAFKA


@pytest.mark.parametrize("changed", [{"kafka": None}, {"transport": "http"}])
def test_settings_whose_transport_and_broker_disagree_are_refused(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    RunFolder(tmp_path).begin(OVER_KAFKA)
    kept = tmp_path / SETTINGS
    kept.write_text(json.dumps({**json.loads(kept.read_text("utf-8")), **changed}), "utf-8")

    with pytest.raises(InvalidRequest, match="kafka is set if it is the transport"):
        RunFolder(tmp_path).settings()
