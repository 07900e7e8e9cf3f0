"""What an analysis finds in decisions of which the truth is known."""

from pathlib import Path

import pytest
from batch_runner.analysing.analysis import analyse
from batch_runner.analysing.command import item_rows
from batch_runner.analysing.findings import Analysis
from batch_runner.decisions.from_file import read_decisions
from batch_runner.tests.building import decisions_csv
from cj_measurement import NotConverged
from event_contracts import InvalidRequest


def of_text(folder: Path, text: str, *, require_connected: bool = False) -> Analysis:
    path = folder / "d.csv"
    path.write_text(text, "utf-8")
    return analyse(read_decisions(path), require_connected=require_connected)


def both_ways(*pairs: str) -> str:
    """Decisions in which each of two items wins once, as winner,loser."""
    return "".join(f"{pair[0]},{pair[1]}\n{pair[1]},{pair[0]}\n" for pair in pairs)


def test_a_known_order_is_found(tmp_path: Path) -> None:
    found = analyse(read_decisions(decisions_csv(tmp_path / "d.csv", sd=3, comparisons=600)))

    ranked = [item.item for item in found.model.items]
    assert ranked[0] == "i1"
    assert ranked[-1] == "i12"
    assert found.model.eb_reliability > 0.9
    assert [item.rank for item in found.model.items] == list(range(1, 13))


def test_scores_add_up_to_zero_in_both_fits_and_stand_in_one_order(tmp_path: Path) -> None:
    found = analyse(read_decisions(decisions_csv(tmp_path / "d.csv")))

    assert sum(item.theta for item in found.model.items) == pytest.approx(0, abs=1e-9)
    assert found.classical is not None
    assert sum(item.theta for item in found.classical.items) == pytest.approx(0, abs=1e-9)
    assert [item.item for item in found.model.items] == [item.item for item in found.classical.items]


def test_each_item_is_reported_with_its_wins(tmp_path: Path) -> None:
    found = of_text(tmp_path, "winner,loser\na,b\na,b\nb,c\nc,a\n")

    assert {item.item: (item.wins, item.comparisons) for item in found.model.items} == {
        "a": (2, 3),
        "b": (1, 3),
        "c": (1, 2),
    }


def test_a_position_effect_is_found_and_taken_out(tmp_path: Path) -> None:
    path = decisions_csv(tmp_path / "d.csv", comparisons=2000, preference={"m": 0.8})

    bias = analyse(read_decisions(path)).model.position_bias

    assert bias is not None
    assert abs(bias.b - 0.8) < 3 * bias.se
    assert bias.p_first_if_equal == pytest.approx(0.69, abs=0.05)


def test_judges_who_differ_are_told_apart(tmp_path: Path) -> None:
    path = decisions_csv(tmp_path / "d.csv", comparisons=3000, preference={"first": 1.0, "second": -1.0})

    found = analyse(read_decisions(path))

    b = {judge.judge: judge.position_bias.b for judge in found.judge_table if judge.position_bias}
    assert b["first"] > 0.6
    assert b["second"] < -0.6
    assert found.model.position_bias is not None
    assert abs(found.model.position_bias.b) < 0.3


def test_how_sharp_the_judges_of_a_panel_are_and_how_far_they_agree_is_reported(tmp_path: Path) -> None:
    path = decisions_csv(tmp_path / "d.csv", comparisons=1500, preference={"one": 0.0, "two": 0.0})

    panel = analyse(read_decisions(path), panel=True).panel

    assert panel is not None
    assert [judge.judge for judge in panel.judges] == ["one", "two"]
    assert all(judge.predicted is not None and judge.predicted > 0.7 for judge in panel.judges)
    assert [(two.first, two.second) for two in panel.agreements] == [("one", "two")]
    assert panel.agreements[0].agreement > 0.6


def test_one_judge_is_not_a_panel(tmp_path: Path) -> None:
    decisions = read_decisions(decisions_csv(tmp_path / "d.csv"))

    with pytest.raises(InvalidRequest, match="a panel has at least two judges"):
        analyse(decisions, panel=True)


def test_intervals_stand_around_the_scores(tmp_path: Path) -> None:
    found = analyse(read_decisions(decisions_csv(tmp_path / "d.csv")))

    assert all(item.low < item.theta < item.high for item in found.model.items)


def test_where_the_order_is_not_known_nothing_is_said_about_it(tmp_path: Path) -> None:
    found = of_text(tmp_path, "winner,loser\n" + both_ways("ab", "bc", "ca") * 5)

    assert found.model.position_bias is None
    assert [judge.position_bias for judge in found.judge_table] == [None]
    assert [judge.same_winner_share for judge in found.judge_table] == [None]


def test_a_judge_who_always_chooses_the_first_is_flagged_and_tells_nothing(tmp_path: Path) -> None:
    rows = "j,a,b,a\nj,b,a,b\nj,b,c,b\nj,c,b,c\nj,c,a,c\nj,a,c,a\n" * 5

    found = of_text(tmp_path, f"judge,item1,item2,winner\n{rows}")

    assert found.model.eb_reliability < 0.1
    assert found.judge_table[0].flags == ("one side only",)
    assert any("the first item won every decision" in warning for warning in found.warnings)


def test_parts_that_were_never_compared_are_a_red_flag_and_each_item_tells_its_part(tmp_path: Path) -> None:
    found = of_text(tmp_path, "winner,loser\n" + both_ways("ab", "bc", "xy"))

    assert found.graph.components == 2
    assert found.red_flags == (
        "the items fall into 2 parts that were never compared with each other: ranks hold within a part only"
        " (3 items in the largest; outside it x, y)",
    )
    parts = {item.item: item.flags for item in found.model.items}
    assert parts["a"] == parts["b"] == parts["c"] == ("part 1",)
    assert parts["x"] == parts["y"] == ("part 2",)


def test_parts_that_were_never_compared_are_refused_where_one_is_required(tmp_path: Path) -> None:
    text = "winner,loser\n" + both_ways("ab", "bc", "xy")

    with pytest.raises(InvalidRequest, match=r"2 parts .* outside it x, y\)\. Judge pairs that link them"):
        of_text(tmp_path, text, require_connected=True)


def test_items_that_won_all_or_nothing_are_flagged(tmp_path: Path) -> None:
    found = of_text(tmp_path, "winner,loser\na,b\na,c\nb,c\nb,c\n")

    flags = {item.item: item.flags for item in found.model.items}
    assert (flags["a"], flags["b"], flags["c"]) == (("won all",), (), ("won none",))
    assert not found.graph.win_graph_connected


def test_an_item_about_which_answers_keep_missing_is_flagged(tmp_path: Path) -> None:
    ring = [("abcdefgh"[n], "bcdefgha"[n]) for n in range(8)]
    judged = "".join(f"{one},{other},{one}\n{one},{other},{other}\n" for one, other in ring)
    lost = "".join(f"a,{other},\n" for other in "bcdefgh")

    found = of_text(tmp_path, f"item1,item2,winner\n{judged * 5}{lost * 2}")

    assert [item.item for item in found.model.items if "answers lost" in item.flags] == ["a"]
    assert found.without_vote == 14
    assert any(warning.endswith("for: a") for warning in found.warnings)


def test_items_without_a_decision_are_reported(tmp_path: Path) -> None:
    found = of_text(tmp_path, "item1,item2,winner\na,b,a\nb,a,b\nc,a,tie\n")

    assert found.ties == 1
    assert "not ranked, as no decision about them can be fitted: c" in found.warnings


def test_where_the_classical_fit_does_not_converge_the_models_figures_remain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_arguments: object, **_options: object) -> None:
        raise NotConverged("it still moves")

    monkeypatch.setattr("batch_runner.analysing.analysis.fit_classical", never)

    found = of_text(tmp_path, "winner,loser\n" + both_ways("ab", "bc", "ca"))

    assert found.classical is None
    assert found.red_flags == ()
    assert "the classical fit does not converge on these decisions: there is no SSR" in found.warnings
    assert item_rows(found)[0][-4:] == ("", "", "", "")


def test_the_same_file_gives_the_same_figures(tmp_path: Path) -> None:
    path = decisions_csv(tmp_path / "d.csv", preference={f"j{n}": 0.0 for n in range(20)})

    assert analyse(read_decisions(path)) == analyse(read_decisions(path))


def test_two_halves_of_too_few_items_have_no_reliability(tmp_path: Path) -> None:
    found = of_text(tmp_path, "winner,loser\n" + both_ways("ab") * 3)

    assert found.split_half is None
    assert found.split_half_stepped_up is None
