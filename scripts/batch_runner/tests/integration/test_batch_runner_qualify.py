"""cj-run qualify as a program: a good judge qualifies, a bad one does not, and the reasons are given."""

import json
from pathlib import Path

import numpy as np
import pytest
from batch_runner.artefact.spreadsheets import write_table
from batch_runner.cli import app
from scipy.special import expit
from typer.testing import CliRunner, Result

ESSAYS, PAIRS = 40, 1_200


def run(path: Path, *options: str) -> Result:
    return CliRunner().invoke(
        app, ["qualify", str(path), "--reference", "old", "--candidate", "new", *options]
    )


def both_judging(path: Path, *, preference: float = 0.0, same_truth: bool = True, pairs: int = PAIRS) -> Path:
    """The same pairs judged by the old model and by the new one, which prefers the first by this many logits."""
    rng = np.random.default_rng(3)
    seen = {"old": rng.normal(0, 2, ESSAYS), "new": rng.normal(0, 2, ESSAYS)}
    if same_truth:
        seen["new"] = seen["old"]
    rows = []
    for first, second in [rng.choice(ESSAYS, 2, replace=False) for _ in range(pairs)]:
        for judge, b in (("old", 0.0), ("new", preference)):
            wins = rng.random() < expit(seen[judge][first] - seen[judge][second] + b)
            rows.append((judge, f"e{first}", f"e{second}", int(wins)))
    return write_table(path, ("judge", "item1", "item2", "result"), rows)


def test_a_judge_as_good_as_the_reference_qualifies(tmp_path: Path) -> None:
    path = both_judging(tmp_path / "decisions.csv")

    ended = run(path, "--reference-cost", "0.004", "--candidate-cost", "0.002", "--max-cost-ratio", "1")

    assert (ended.exit_code, ended.stderr) == (0, "")
    first, *criteria = ended.stdout.splitlines()
    assert first == "new may replace old"
    assert [line.split()[0] for line in criteria] == ["passed"] * 6
    assert "costs 0.50 times as much" in criteria[-1]


def test_a_judge_with_a_strong_preference_for_a_slot_does_not_qualify(tmp_path: Path) -> None:
    path = both_judging(tmp_path / "decisions.csv", preference=1.5)

    ended = run(path)

    assert ended.stdout.startswith("new may not replace old\n")
    assert any(
        line.startswith("failed") and "prefers the first slot" in line for line in ended.stdout.splitlines()
    )


def test_a_judge_of_another_trait_fails_and_the_json_shows_the_correlation(tmp_path: Path) -> None:
    path = both_judging(tmp_path / "decisions.csv", same_truth=False)

    ended = run(path, "--json")

    document = json.loads(ended.stdout)
    assert document["verdict"] == "not_qualified"
    correlation = next(each for each in document["criteria"] if each["name"] == "correlation")
    assert correlation["status"] == "failed"
    assert correlation["high"] < correlation["limit"]


def test_a_few_pairs_decide_nothing(tmp_path: Path) -> None:
    path = both_judging(tmp_path / "decisions.csv", pairs=90)

    ended = run(path)

    assert ended.stdout.startswith("new cannot yet be said to be able to replace old\n")


def stating_margins(path: Path, *, honest: bool) -> Path:
    """Both judge the same pairs; the new model states margins, honest ones or any. The old one states none."""
    rng = np.random.default_rng(5)
    ability = rng.normal(0, 3, ESSAYS)
    rows: list[tuple[str, str, str, int, int | None]] = []
    for _ in range(300):
        first, second = rng.choice(ESSAYS, 2, replace=False)
        for judge in ("old", "new"):
            lead = ability[first] - ability[second] + rng.logistic()
            margin = 1 + (abs(lead) > 1.5) + (abs(lead) > 4) if honest else rng.integers(1, 4)
            rows.append(
                (judge, f"e{first}", f"e{second}", int(lead > 0), int(margin) if judge == "new" else None)
            )
    return write_table(path, ("judge", "item1", "item2", "result", "margin"), rows)


def test_margins_that_tell_something_are_set_against_winners_alone_on_the_same_pairs(tmp_path: Path) -> None:
    path = stating_margins(tmp_path / "decisions.csv", honest=True)

    screen, document = run(path), json.loads(run(path, "--json").stdout)

    [graded] = document["graded"]
    assert (graded["judge"], graded["comparisons"]) == ("new", 300)
    assert graded["eb_graded"] > graded["eb_winners"] + 0.02
    assert graded["lead_nats"] > 3
    assert graded["words"].startswith("its margins tell ")
    assert (
        f"new: reliability {graded['eb_winners']:.3f} by winners alone, {graded['eb_graded']:.3f} with its"
        f" margins or confidence, on the same 300 comparisons; {graded['words']}"
    ) in screen.stdout


def test_margins_that_tell_nothing_leave_the_winners_reliability(tmp_path: Path) -> None:
    document = json.loads(run(stating_margins(tmp_path / "decisions.csv", honest=False), "--json").stdout)

    [graded] = document["graded"]
    assert graded["eb_graded"] == graded["eb_winners"]
    assert graded["words"] == "its margins tell nothing: not used"


def test_a_judge_that_states_no_margins_has_no_line_on_them(tmp_path: Path) -> None:
    ended = run(both_judging(tmp_path / "decisions.csv"))

    assert "by winners alone" not in ended.stdout


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [
        (("judge", "winner", "loser"), ("old", "a", "b"), "does not say which item was shown first"),
        (
            ("judge", "item1", "item2", "result"),
            ("old", "a", "b", "1"),
            "there is no judge 'new': the file has old",
        ),
    ],
)
def test_a_file_without_the_needed_columns_is_refused_in_one_line(
    tmp_path: Path, header: tuple[str, ...], row: tuple[str, ...], reason: str
) -> None:
    path = write_table(tmp_path / "decisions.csv", header, [row])

    ended = run(path)

    assert ended.exit_code == 4
    assert reason in ended.stderr
    assert ended.stderr.count("\n") == 1
