"""Plots: drawn for every kind of analysis, and the same each time."""

from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from batch_runner.analysing.analysis import analyse
from batch_runner.analysing.drawing import convergence, draw_analysis
from batch_runner.analysing.findings import Analysis
from batch_runner.analysing.plots import Format, Line, draw_lines
from batch_runner.decisions.from_file import Decisions, read_decisions
from batch_runner.tests.building import decisions_csv
from matplotlib.image import imread


@pytest.fixture(scope="module")
def decisions(tmp_path_factory: pytest.TempPathFactory) -> Decisions:
    return read_decisions(decisions_csv(tmp_path_factory.mktemp("plots") / "d.csv"))


@pytest.fixture(scope="module")
def analysis(decisions: Decisions) -> Analysis:
    return analyse(decisions)


@pytest.fixture(scope="module")
def drawn(
    decisions: Decisions, analysis: Analysis, tmp_path_factory: pytest.TempPathFactory
) -> dict[Format, list[Path]]:
    formats: tuple[Format, ...] = ("svg", "png")
    return {
        kind: draw_analysis(decisions, analysis, folder=tmp_path_factory.mktemp(kind), plot_format=kind)
        for kind in formats
    }


def test_drawing_twice_gives_the_same_bytes(
    decisions: Decisions, analysis: Analysis, drawn: dict[Format, list[Path]], tmp_path: Path
) -> None:
    again = draw_analysis(decisions, analysis, folder=tmp_path, plot_format="svg")

    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in drawn["svg"]]


def test_each_plot_is_a_file_of_the_format_asked_for(drawn: dict[Format, list[Path]]) -> None:
    for kind, paths in drawn.items():
        names = [f"{name}.{kind}" for name in ("scores", "fit", "convergence", "position")]
        assert [path.name for path in paths] == names


def test_an_svg_is_well_formed_and_tells_no_date(drawn: dict[Format, list[Path]]) -> None:
    for path in drawn["svg"]:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert "<dc:date>" not in path.read_text("utf-8")


def test_a_plot_is_dark_on_white(drawn: dict[Format, list[Path]]) -> None:
    for path in drawn["png"]:
        pixels = imread(path)[..., :3]
        assert pixels[0, 0].tolist() == [1, 1, 1]
        assert pixels.mean() > 0.9
        assert pixels.min() < 0.2


def test_many_items_are_drawn_by_rank_without_their_names(
    decisions: Decisions, analysis: Analysis, tmp_path: Path
) -> None:
    item = analysis.model.items[0]
    items = tuple(item.model_copy(update={"item": f"a$b_{n}", "theta": -n / 100}) for n in range(300))
    many = analysis.model_copy(update={"model": analysis.model.model_copy(update={"items": items})})

    paths = draw_analysis(decisions, many, folder=tmp_path, plot_format="png")

    height, width, _ = imread(paths[0]).shape
    assert height < width


def test_without_a_known_order_no_position_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("winner,loser\n" + "a,b\nb,c\nc,a\n" * 4, "utf-8")
    unordered = read_decisions(tmp_path / "d.csv")

    paths = draw_analysis(unordered, analyse(unordered), folder=tmp_path / "plots", plot_format="svg")

    assert [path.name for path in paths] == ["scores.svg", "fit.svg", "convergence.svg"]


def test_convergence_ends_with_all_comparisons_and_the_reliability_reported(
    decisions: Decisions, analysis: Analysis
) -> None:
    line = convergence(decisions)

    assert list(line.x) == list(range(40, 401, 40))
    assert line.y[-1] == pytest.approx(analysis.model.eb_reliability, abs=1e-3)
    assert line.y[0] < line.y[-1]


def test_few_comparisons_are_not_drawn_twice(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("winner,loser\na,b\nb,a\nb,a\n", "utf-8")

    assert list(convergence(read_decisions(tmp_path / "d.csv")).x) == [1, 2, 3]


def settings() -> dict[str, object]:
    # The backend is chosen when something is drawn for the first time.
    return {name: value for name, value in mpl.rcParams.items() if name != "backend"}


def test_drawing_leaves_matplotlib_as_it_was(tmp_path: Path) -> None:
    before = settings()

    draw_lines(
        tmp_path / "x.svg", [Line(name="a", x=[1, 2], y=[0.1, 0.2])], title="t", x_label="x", y_label="y"
    )

    assert settings() == before
