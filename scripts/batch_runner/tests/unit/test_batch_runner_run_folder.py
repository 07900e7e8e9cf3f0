"""What a run's folder keeps, so that the run can be resumed."""

import json
from pathlib import Path

import pytest
from batch_runner.artefact.forgetting import SETTINGS
from batch_runner.running.run_events import KafkaOffsets, TextsUploaded
from batch_runner.running.run_folder import EVENTS, KafkaSettings, RunFolder, RunSettings
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


def test_a_line_that_a_crash_cut_off_counts_for_nothing_and_damages_no_later_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.log(TextsUploaded.EVENT, stored={"one": "1"})
    with (tmp_path / EVENTS).open("ab") as file:
        file.write(b'{"event": "texts.uploaded", "sto')

    before = [uploaded.stored for uploaded in folder.events(TextsUploaded)]
    folder.log(TextsUploaded.EVENT, stored={"two": "2"})

    assert before == [{"one": "1"}]
    assert [uploaded.stored for uploaded in folder.events(TextsUploaded)] == [{"one": "1"}, {"two": "2"}]


@pytest.mark.parametrize(
    "damaged",
    [
        '{"event": "texts.uploaded"}',
        '{"event": "texts.uploaded", "stored": "nothing"}',
        '{"event": "texts.uploaded", "stored": {"one": 1}}',
        '{"event": "texts.uploaded", "sto',
        "[]",
        "",
    ],
)
def test_a_damaged_line_is_refused_with_its_number(tmp_path: Path, damaged: str) -> None:
    RunFolder(tmp_path).log(KafkaOffsets.EVENT, offsets={"topic:0": 3})
    with (tmp_path / EVENTS).open("a", encoding="utf-8") as file:
        file.write(f"{damaged}\n")

    with pytest.raises(InvalidRequest, match=r"events\.ndjson, line 2: is damaged .* start a new run"):
        list(RunFolder(tmp_path).events(TextsUploaded))


@pytest.mark.parametrize("offset", ["-1", '"3"', "null"])
def test_offsets_that_are_none_are_refused(tmp_path: Path, offset: str) -> None:
    (tmp_path / EVENTS).write_text(
        f'{{"event": "kafka.offsets", "offsets": {{"topic:0": {offset}}}}}\n', "utf-8"
    )

    with pytest.raises(InvalidRequest, match="line 1: is damaged"):
        list(RunFolder(tmp_path).events(KafkaOffsets))
