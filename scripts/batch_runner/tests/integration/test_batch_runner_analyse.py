"""cj-run analyse as a program: published sessions come out as published, and every wrong file is one line."""

import csv
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from batch_runner.cli import app
from batch_runner.reporting.run_files import write_run_files
from batch_runner.tests.building import comparison, decisions_csv, ended, finished
from event_contracts import Winner
from typer.testing import CliRunner, Result

SESSIONS = [
    pytest.param("AlMaimani2017", id="four-items"),
    pytest.param("Bisson2016_algebra", id="students-work"),
    pytest.param("Daal2017_sample2", id="with-a-self-comparison"),
    pytest.param("Jones2013a_expert2", id="adaptive"),
    pytest.param("Jones2013a_peer1", id="adaptive-with-a-hundred-judges"),
    pytest.param("Jones2015a_subset-of-scripts", id="few-judges"),
    pytest.param("Kinnear2021_students-odd", id="ten-items"),
    pytest.param("PollittX_business", id="forty-items"),
    pytest.param("StadthagenGonzalez2019_eng-to-spa", id="five-parts"),
    pytest.param("PollittX_philosophy1", id="seven-hundred-items", marks=pytest.mark.slow),
    pytest.param("Ofqual2015", id="two-thousand-items", marks=pytest.mark.slow),
]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["analyse", *arguments])


def document(*arguments: str) -> dict[str, Any]:
    ended = run(*arguments, "--json")
    assert (ended.exit_code, ended.stderr) == (0, "")
    parsed: dict[str, Any] = json.loads(ended.stdout)
    return parsed


def published_session(folder: Path, name: str) -> Mapping[str, str]:
    with (folder / "cj_sessions/expected_sessions.csv").open(encoding="utf-8") as file:
        return next(row for row in csv.DictReader(file) if row["session"] == name)


def published_items(folder: Path, name: str) -> dict[str, Mapping[str, str]]:
    with gzip.open(folder / "cj_sessions/expected_items.csv.gz", "rt", encoding="utf-8") as file:
        return {row["individual"]: row for row in csv.DictReader(file) if row["session"] == name}


@pytest.mark.parametrize("name", SESSIONS)
def test_a_published_session_comes_out_as_published(validation_data: Path, name: str) -> None:
    published, items = published_session(validation_data, name), published_items(validation_data, name)

    found = document(str(validation_data / f"cj_sessions/decisions/{name}.csv"))

    selves = int(published["self_comparisons"])
    assert found["self_comparisons"] == selves
    assert found["comparisons"] == int(published["comparisons"]) - selves
    assert found["judges"] == int(published["judges"])
    assert found["classical"]["ssr"] == pytest.approx(float(published["pub_mle_rel"]), abs=1e-9)
    assert {item["item"] for item in found["classical"]["items"]} == set(items)
    for item in found["classical"]["items"]:
        told = [item["theta"], item["se"], item["infit"], item["outfit"]]
        row = items[item["item"]]
        assert told == pytest.approx(
            [float(row[key]) for key in ("theta", "se.theta", "infit", "outfit")], abs=1e-8
        )
    if len(items) >= 40:
        assert found["split_half"] == pytest.approx(float(published["pub_median_split_half"]), abs=0.02)
    if published["our_eb_reliability"]:
        assert found["model"]["eb_reliability"] == pytest.approx(
            float(published["our_eb_reliability"]), abs=0.02
        )


def test_adaptive_pairing_is_a_warning(validation_data: Path) -> None:
    session = str(validation_data / "cj_sessions/decisions/Jones2013a_expert2.csv")

    assert any("SSR is more than 0.1 above EB" in flag for flag in document(session)["red_flags"])
    assert "RED FLAG SSR is more than 0.1" in run(session).stdout


def test_the_document_has_the_agreed_keys(tmp_path: Path) -> None:
    found = document(str(decisions_csv(tmp_path / "d.csv")))

    assert {"comparisons", "judges", "self_comparisons", "split_half", "classical", "model"} <= set(found)
    assert {"ssr", "ssr_prime", "items"} <= set(found["classical"])
    assert {"item", "theta", "se", "infit", "outfit"} <= set(found["classical"]["items"][0])
    assert {"eb_reliability", "tau", "position_bias", "items"} <= set(found["model"])
    assert {"item", "theta", "se", "rank"} <= set(found["model"]["items"][0])
    assert {"b", "se"} <= set(found["model"]["position_bias"])


def test_real_peoples_decisions_are_read_with_a_mapping(validation_data: Path, tmp_path: Path) -> None:
    with gzip.open(validation_data / "argument_judgements/decisions.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    topic = [row for row in rows[1:] if row[0] == rows[1][0]]
    with (tmp_path / "topic.csv").open("w", newline="", encoding="utf-8") as copy:
        csv.writer(copy).writerows([rows[0], *topic])

    mapping = ["slot_a=a1", "slot_b=a2", "result=value", "judge=judge"]
    found = document(str(tmp_path / "topic.csv"), *(word for one in mapping for word in ("--columns", one)))

    assert found["comparisons"] + found["ties"] == len(topic)
    assert found["model"]["eb_reliability"] > 0.9


def test_the_comparisons_of_a_run_are_analysed_with_their_slots(tmp_path: Path) -> None:
    pairs = [("=a", "b"), ("b", "c"), ("c", "=a"), ("b", "=a"), ("c", "b"), ("=a", "c")] * 3
    rows = [comparison(n, *pair, Winner.ESSAY_A) for n, pair in enumerate(pairs)]
    rows += [comparison(99, "b", "c", Winner.ESSAY_B), comparison(100, "b", "c", None)]
    write_run_files(ended(finished("=a", "b", "c", comparisons=rows)), tmp_path)

    found = document(str(tmp_path / "comparisons.csv"))

    assert (found["comparisons"], found["without_vote"], found["judges"]) == (19, 1, 1)
    assert {item["item"] for item in found["model"]["items"]} == {"=a", "b", "c"}
    assert found["model"]["position_bias"]["b"] > 1


def test_items_can_be_written_to_a_csv_file(tmp_path: Path) -> None:
    path, table = decisions_csv(tmp_path / "d.csv"), tmp_path / "items.csv"

    ended = run(str(path), "--items-csv", str(table))

    found = document(str(path))
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert str(table) in ended.stdout.splitlines()
    assert [row["item"] for row in rows] == [item["item"] for item in found["model"]["items"]]
    assert [float(row["score"]) for row in rows] == [item["theta"] for item in found["model"]["items"]]
    assert [float(row["classical_score"]) for row in rows] == [
        item["theta"] for item in found["classical"]["items"]
    ]


def test_plots_are_drawn_into_a_folder(tmp_path: Path) -> None:
    path, folder = decisions_csv(tmp_path / "d.csv"), tmp_path / "plots"

    ended = run(str(path), "--plots", str(folder), "--format", "png")

    assert ended.exit_code == 0
    drawn = [f"{name}.png" for name in ("scores", "fit", "convergence", "position")]
    assert ended.stdout.splitlines()[-4:] == [str(folder / name) for name in drawn]
    assert sorted(path.name for path in folder.iterdir()) == sorted(drawn)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "name,score\na,1\n",
            "the columns are 'name', 'score': they do not say which item won against which",
        ),
        ("winner,loser\n", "no row decides between two items"),
        ("item1,item2,winner\na,b,c\n", "line 2: the winner 'c' is neither 'a' nor 'b'"),
    ],
)
def test_a_wrong_file_is_exit_code_4_and_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "d.csv"
    path.write_text(text, "utf-8")

    for options in ([], ["--json"]):
        ended = run(str(path), *options)

        assert (ended.exit_code, ended.stdout) == (4, "")
        assert ended.stderr.startswith("VALIDATION_ERROR ")
        assert words in ended.stderr
        assert ended.stderr.count("\n") == 1


def test_parts_that_were_never_compared_are_a_warning_or_an_error_as_asked(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("winner,loser\na,b\nb,a\nc,d\nd,c\n", "utf-8")

    flagged, refused = run(str(path)), run(str(path), "--require-connected")

    assert (flagged.exit_code, refused.exit_code) == (0, 4)
    assert "RED FLAG the items fall into 2 parts" in flagged.stdout
    assert refused.stderr.startswith("VALIDATION_ERROR the items fall into 2 parts")
