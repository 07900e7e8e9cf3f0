"""cj-run simulate and cj-run plan as programs."""

import json
from pathlib import Path
from typing import Any

import pytest
from batch_runner.cli import app
from batch_runner.cli.studies import PolicyName
from batch_runner.tests.building import folder_of
from cj_measurement import Policy
from typer.testing import CliRunner, Result

SMALL = ("--essays", "12", "--seeds", "2", "--comparisons-per-essay", "6")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def document(*arguments: str) -> dict[str, Any]:
    ended = run("simulate", *arguments, "--json")
    assert (ended.exit_code, ended.stderr) == (0, "")
    parsed: dict[str, Any] = json.loads(ended.stdout)
    return parsed


def test_every_policy_of_the_measurement_can_be_named() -> None:
    assert [policy.value for policy in PolicyName] == [policy.value for policy in Policy]


def test_each_policy_is_reported_with_its_medians() -> None:
    found = document(*SMALL, "--policy", "random", "--policy", "information")

    assert set(found["policies"]) == {"random", "information"}
    for medians in found["policies"].values():
        assert {"eb_reliability", "ssr", "true_r2", "spearman", "coverage"} <= set(medians)
        assert 6 <= medians["comparisons_per_essay"] < 7
        assert all(0 <= medians[name] <= 1 for name in ("eb_reliability", "true_r2", "coverage"))


def test_the_same_simulation_gives_the_same_figures() -> None:
    assert document(*SMALL, "--policy", "random") == document(*SMALL, "--policy", "random")


def test_coin_flips_have_no_truth_and_next_to_no_reliability() -> None:
    flips = ("--essays", "40", "--seeds", "5", "--sd", "0", "--comparisons-per-essay", "10")
    medians = document(*flips, "--policy", "random")["policies"]["random"]

    assert (medians["true_r2"], medians["spearman"]) == (None, None)
    assert medians["eb_reliability"] < 0.2


def test_a_sharper_judge_reaches_more() -> None:
    sharp = document(*SMALL, "--sd", "4", "--policy", "random")["policies"]["random"]
    dull = document(*SMALL, "--sd", "1", "--policy", "random")["policies"]["random"]

    assert sharp["true_r2"] > dull["true_r2"]


def test_margins_bring_more_than_winners_and_random_confidence_brings_no_more() -> None:
    options = ("--essays", "30", "--seeds", "3", "--sd", "3", "--comparisons-per-essay", "8")

    said = {
        says: document(*options, "--policy", "random", "--says", says)
        for says in ("nothing", "margin", "random_confidence")
    }

    assert all(found["says"] == says for says, found in said.items())
    reached = {says: found["policies"]["random"] for says, found in said.items()}
    assert reached["margin"]["true_r2"] > reached["nothing"]["true_r2"] + 0.05
    assert reached["margin"]["eb_reliability"] > 0.9
    assert reached["random_confidence"]["eb_reliability"] < reached["nothing"]["eb_reliability"] + 0.05


def test_margins_need_fewer_comparisons_and_dollars_for_a_target() -> None:
    options = ("--essays", "24", "--seeds", "3", "--sd", "3", "--target-reliability", "0.85")
    judged = ("--policy", "random", "--provider", "anthropic")

    winners = document(*options, *judged)["power"]["random"]
    margins = document(*options, *judged, "--says", "margin")["power"]["random"]

    assert margins["comparisons"] < 0.75 * winners["comparisons"]
    assert margins["cost_usd"] < 0.75 * winners["cost_usd"]


def test_the_screen_says_what_the_judge_says() -> None:
    quick = ("--essays", "8", "--seeds", "1", "--comparisons-per-essay", "4", "--policy", "random")
    ended = run("simulate", *quick, "--says", "loose_confidence")

    assert ended.exit_code == 0
    assert "8 essays, SD 2, winners and loose confidence: medians of 1 runs" in ended.stdout


def test_a_target_is_reported_in_comparisons_and_dollars() -> None:
    options = ("--essays", "12", "--seeds", "3", "--sd", "4", "--target-reliability", "0.8")

    found = document(*options, "--policy", "information", "--provider", "anthropic")

    needed = found["power"]["information"]
    assert needed["comparisons_low"] <= needed["comparisons"] <= needed["comparisons_high"]
    assert 0 < needed["cost_usd_low"] < needed["cost_usd"] < needed["cost_usd_high"]
    assert found["judge"].startswith("anthropic/")
    assert found["policies"] == {}


def test_without_a_judge_the_target_has_no_price() -> None:
    options = ("--essays", "10", "--seeds", "2", "--sd", "4", "--target-reliability", "0.7")

    needed = document(*options, "--policy", "random")["power"]["random"]

    assert needed["comparisons"] > 0
    assert needed["cost_usd"] is None


def test_a_target_out_of_reach_is_reported_as_such() -> None:
    options = ("--essays", "8", "--seeds", "2", "--sd", "0", "--target-reliability", "0.99")

    ended = run("simulate", *options, "--policy", "random")

    assert ended.exit_code == 0
    assert "out of reach (0% of runs)" in ended.stdout


def test_the_screen_is_80_columns_wide() -> None:
    target = ("--target-reliability", "0.6", "--provider", "mock")
    ended = run("simulate", *SMALL, *target, *(f"--policy={policy}" for policy in PolicyName))

    assert ended.exit_code == 0
    assert all(len(line) <= 80 for line in ended.stdout.splitlines())
    assert all(policy in ended.stdout for policy in PolicyName)


def test_power_curves_are_drawn_into_a_folder(tmp_path: Path) -> None:
    ended = run("simulate", *SMALL, "--policy", "random", "--plots", str(tmp_path / "plots"))

    paths = [tmp_path / "plots" / name for name in ("power.svg", "truth.svg")]
    assert ended.stdout.splitlines()[-2:] == [str(path) for path in paths]
    assert all(path.is_file() for path in paths)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--essays", "1"), "--essays"),
        (("--essays", "10", "--sd", "-1"), "--sd"),
        (("--essays", "10", "--policy", "luck"), "--policy"),
        (("--essays", "10", "--target-reliability", "1"), "--target-reliability"),
        (("--essays", "10", "--provider", "nobody"), "unknown provider 'nobody': use one of"),
    ],
)
def test_a_wrong_option_is_exit_code_2_and_named(options: tuple[str, ...], words: str) -> None:
    ended = run("simulate", *options)

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert words in ended.stderr


@pytest.fixture
def essays(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "essays", {f"e{n}.txt": "A text of some words." for n in range(8)})


def test_a_plan_shows_what_the_folder_holds_and_what_the_target_takes(essays: Path) -> None:
    ended = run("plan", str(essays), "--target-reliability", "0.7")

    assert (ended.exit_code, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[:2] == ["essays", "ENG5, en"]
    assert "8 essays, 0 anchors" in lines
    assert "all pairs would be 28 comparisons" in lines
    assert any(line.startswith("  a sharp judge, with margins (SD 3): ") for line in lines)
    assert any(line.startswith("  a human-like judge, winners only (SD 1.5): ") for line in lines)
    assert any(line.strip().startswith("anthropic/claude-haiku-5-5 ") for line in lines)


def test_a_plan_with_a_judge_shows_dollars(essays: Path) -> None:
    ended = run("plan", str(essays), "--target-reliability", "0.7", "--provider", "anthropic", "--sd", "3")

    lines = ended.stdout.splitlines()
    assert any(line.startswith("judge: anthropic/") for line in lines)
    assert (
        next(line for line in lines if line.startswith("  this judge, with margins (SD 3): ")).count("$") == 3
    )
    chosen = next(line for line in lines if line.strip().startswith("* anthropic/"))
    assert chosen.count("$") == 4, "directly and by the vendor's batch API, each with margins and without"


def test_a_plan_with_an_unknown_model_is_exit_code_2_in_one_line(essays: Path) -> None:
    ended = run("plan", str(essays), "--provider", "anthropic", "--model", "nobody")

    assert ended.exit_code == 2
    assert ended.stderr.startswith("LLM_INVALID_CONFIG anthropic has no model 'nobody'")
    assert ended.stderr.count("\n") == 1


def test_a_plan_names_what_is_left_out(essays: Path) -> None:
    folder_of(essays, {".draft.txt": "x"})

    ended = run("plan", str(essays), "--target-reliability", "0.5", "--sd", "4")

    assert "left out: .draft.txt" in ended.stdout.splitlines()


def test_a_plan_expects_a_reliability_with_a_range_within_its_budget(essays: Path) -> None:
    ended = run("plan", str(essays), "--max-comparisons", "12", "--sd", "3", "--json")

    document = json.loads(ended.stdout)
    graded, winners = document["prospects"]
    assert (graded["with_margins"], winners["with_margins"]) == (True, False)
    for prospect in (graded, winners):
        expected = prospect["expected_reliability"]
        assert prospect["comparisons"] == 12
        assert 0 <= expected["low"] <= expected["median"] <= expected["high"] < 0.95


def test_a_plan_sets_the_models_of_the_manifest_side_by_side(essays: Path) -> None:
    ended = run("plan", str(essays), "--provider", "openai", "--sd", "3", "--json")

    first, *others = json.loads(ended.stdout)["judges"]
    costs = [
        each["usd"]["this judge, with margins"]
        for each in others
        if each["usd"]["this judge, with margins"] is not None
    ]
    batch = first["batch_usd"]["this judge, with margins"]
    assert first["is_chosen"]
    assert batch == pytest.approx(first["usd"]["this judge, with margins"] / 2)
    assert costs == sorted(costs)
    assert all(each["minutes"]["this judge, with margins"] > 0 for each in others)


def test_a_plan_names_every_problem_on_a_line_of_its_own(tmp_path: Path) -> None:
    files = {
        "assignment.toml": 'id="t"\ntitle="T"\ncourse_code="ENG5"\ngrade_scale="swedish_8_anchor"\n',
        "students/good.txt": "fine",
        "students/empty.txt": "",
        "students/photo.jpg": "x",
        "anchors/Q1.txt": "no such grade",
        "rubric.txt": "",
    }

    ended = run("plan", str(folder_of(tmp_path / "class", files)))

    lines = ended.stderr.splitlines()
    assert (ended.exit_code, ended.stdout) == (4, "")
    for file in ("students/empty.txt", "students/photo.jpg", "anchors/Q1.txt", "rubric.txt"):
        assert len([line for line in lines if file in line]) == 1
    assert lines[-1] == "4 problems; 1 text can be read"


def test_a_plans_problems_are_one_json_document(tmp_path: Path) -> None:
    ended = run("plan", str(folder_of(tmp_path / "class", {"a.txt": "fine", "b.txt": ""})), "--json")

    document = json.loads(ended.stdout)
    assert ended.exit_code == 4
    assert [each["code"] for each in document["problems"]] == ["EMPTY_CONTENT"]
    assert document["readable"] == ["a.txt"]
