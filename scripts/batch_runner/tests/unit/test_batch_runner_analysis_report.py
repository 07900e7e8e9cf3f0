"""An analysis on the screen."""

import io
from pathlib import Path

import pytest
from batch_runner.analysing.analysis import analyse
from batch_runner.analysing.findings import Analysis
from batch_runner.analysing.screen import print_analysis
from batch_runner.decisions.from_file import read_decisions
from batch_runner.tests.building import decisions_csv
from rich.console import Console

MANY = 1000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    path = decisions_csv(tmp_path_factory.mktemp("small") / "d.csv", preference={"anna": 0.5, "bo": 0})
    return analyse(read_decisions(path))


def printed(analysis: Analysis, *, all_rows: bool = False) -> list[str]:
    screen = io.StringIO()
    print_analysis(analysis, name="d.csv", console=Console(file=screen, width=80), all_rows=all_rows)
    return screen.getvalue().splitlines()


def with_many_items(analysis: Analysis) -> Analysis:
    model, item = analysis.model, analysis.model.items[0]
    items = tuple(item.model_copy(update={"item": f"essay {n}", "rank": n}) for n in range(1, MANY + 1))
    judges = tuple(analysis.judge_table[0].model_copy(update={"judge": f"judge {n}"}) for n in range(100))
    return analysis.model_copy(
        update={"model": model.model_copy(update={"items": items}), "judge_table": judges}
    )


def test_the_report_shows_the_data_its_reliability_and_the_ranking(small: Analysis) -> None:
    lines = printed(small)

    assert lines[0] == "d.csv: 400 comparisons of 12 items by 2 judges"
    assert small.classical is not None
    for name, value in (("EB", small.model.eb_reliability), ("SSR", small.classical.ssr)):
        assert any(line.split()[:2] == [name, f"{value:.3f}"] for line in lines)
    assert [line.split()[1] for line in lines if line.split()[:1] in (["1"], ["12"])] == [
        small.model.items[0].item,
        small.model.items[-1].item,
    ]
    assert any(line.split()[:1] == ["anna"] for line in lines)


@pytest.mark.parametrize("all_rows", [False, True])
def test_every_line_fits_80_columns(small: Analysis, all_rows: bool) -> None:
    assert all(len(line) <= 80 for line in printed(with_many_items(small), all_rows=all_rows))


def test_a_thousand_items_are_cut_in_the_middle(small: Analysis) -> None:
    lines = printed(with_many_items(small))

    assert len(lines) < 90
    assert any("960 more: --all" in line for line in lines)
    assert any("85 more, 0 of them flagged: --all" in line for line in lines)
    assert any(line.split()[:3] == ["1000", "essay", "1000"] for line in lines)


def test_all_of_a_thousand_items_are_shown_when_asked_for(small: Analysis) -> None:
    lines = printed(with_many_items(small), all_rows=True)

    assert sum("essay" in line for line in lines) == MANY


def test_warnings_are_below_the_reliabilities(small: Analysis) -> None:
    flagged = small.model_copy(update={"red_flags": ("do not quote it",)})

    lines = printed(flagged)

    assert lines.index("RED FLAG do not quote it") < next(
        n for n, line in enumerate(lines) if "Items" in line
    )
    assert not any("RED FLAG" in line for line in printed(small))


def test_an_unknown_figure_is_a_dash(small: Analysis) -> None:
    unknown = small.model_copy(update={"classical": None, "split_half": None})

    told = [line.split()[:2] for line in printed(unknown)]
    assert all([name, "–"] in told for name in ("SSR", "SSR′", "split-half"))


def test_names_are_shown_as_they_are(small: Analysis) -> None:
    item = small.model.items[0].model_copy(update={"item": "[red]essay[/red]"})
    marked = small.model_copy(update={"model": small.model.model_copy(update={"items": (item,)})})

    assert any("[red]essay[/red]" in line for line in printed(marked))


def test_a_panel_is_a_table_of_its_own(tmp_path: Path) -> None:
    path = decisions_csv(tmp_path / "d.csv", preference={"anna": 0.5, "bo": 0, "cia": -0.5})

    lines = printed(analyse(read_decisions(path), panel=True))

    start = next(number for number, line in enumerate(lines) if line.strip() == "Panel")
    assert [line.split()[0] for line in lines[start + 2 : start + 5]] == ["anna", "bo", "cia"]
    assert any(line.split()[:2] == ["anna", "cia"] for line in lines)


def test_what_was_left_out_is_counted(small: Analysis) -> None:
    counted = small.model_copy(update={"ties": 3, "without_vote": 2})

    assert printed(counted)[0].endswith("by 2 judges; left out: 3 ties, 2 without a vote")


def test_warnings_are_printed(small: Analysis) -> None:
    warned = small.model_copy(update={"warnings": ("mind the gap",)})

    assert printed(warned)[-1] == "note mind the gap"


def test_a_reliability_below_0_is_not_measurable(tmp_path: Path) -> None:
    path = tmp_path / "coin.csv"
    path.write_text("winner,loser\n" + "a,b\nb,a\nb,c\nc,b\na,c\n", "utf-8")

    analysis = analyse(read_decisions(path))

    assert analysis.classical is not None
    assert (analysis.classical.ssr, "ssr" in analysis.not_measurable) == (None, True)
    shown = "\n".join(printed(analysis))
    assert "not measurable" in shown
    assert "-13" not in shown
