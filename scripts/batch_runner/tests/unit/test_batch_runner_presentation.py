"""What a run looks like on the terminal."""

import io
import json
import re
from datetime import timedelta

import pytest
from batch_runner.reporting.presentation import problems, ranking_table, totals_line
from batch_runner.running.execution import FinishedRun
from batch_runner.running.progress import LiveProgress, progress_lines, time_left
from batch_runner.tests.building import STARTED, finished, projections, status
from event_contracts import AssessmentState, BlockingProblem, ForecastView, UntilTargetView
from rich.console import Console
from rich.table import Table


def printed(renderable: object, *, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def ranking_of(run: FinishedRun) -> Table:
    assert run.results is not None
    return ranking_table(run.results.result, title=run.assignment.title)


def test_progress_shows_comparisons_reliability_cost_and_time_left() -> None:
    assert progress_lines(status(judged=10, failed=2, budget=40, seconds=5)) == (
        "10 of at most 40 comparisons, 2 failed",
        "reliability 0.812 (target 0.90) · $0.0123 · ≤ 15 s left",
    )


@pytest.mark.parametrize(
    ("judged", "budget", "seconds", "left"),
    [
        pytest.param(10, 40, 5, timedelta(seconds=15), id="the-rest-at-the-same-pace"),
        pytest.param(40, 40, 5, timedelta(0), id="nothing-left"),
        pytest.param(45, 40, 5, timedelta(0), id="never-negative"),
        pytest.param(0, 40, 5, None, id="no-pace-yet"),
        pytest.param(10, None, 5, None, id="no-budget-known"),
    ],
)
def test_time_left_is_the_rest_of_the_budget_at_the_pace_so_far(
    judged: int, budget: int | None, seconds: float, left: timedelta | None
) -> None:
    assert time_left(status(judged=judged, budget=budget, seconds=seconds)) == left


@pytest.mark.parametrize(
    ("expected", "shown"), [(10, "≈ 5 s left"), (500, "≈ 15 s left"), (None, "≤ 15 s left")]
)
def test_time_left_is_until_the_target_where_that_is_in_sight(expected: int | None, shown: str) -> None:
    until = None if expected is None else UntilTargetView(comparisons=expected, low=1, high=900)
    forecast = ForecastView(comparisons=100, eb=0.93, until_target=until)
    going = status(judged=10, budget=40, seconds=5).model_copy(update={"forecast": forecast})

    assert progress_lines(going)[1].endswith(shown)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(5, "≤ 15 s left"), (100, "≤ 5 min left"), (4000, "≤ 3 h left")]
)
def test_time_left_is_shown_in_a_unit_that_fits(seconds: float, shown: str) -> None:
    assert progress_lines(status(judged=10, budget=40, seconds=seconds))[1].endswith(shown)


def test_what_keeps_a_batch_waiting_is_said_once_and_so_is_its_end() -> None:
    screen = io.StringIO()
    key = BlockingProblem(
        code="INVALID_API_KEY", message="anthropic refuses the key", since=STARTED, comparisons=6
    )
    waiting = status(judged=0).model_copy(update={"problem": key})

    with LiveProgress(Console(file=screen, width=200)) as live:
        for shown, reason in ((waiting, key.message), (waiting, key.message), (status(judged=1), None)):
            live.show(shown, waiting=reason)

    lines = [json.loads(line) for line in screen.getvalue().splitlines()]
    assert [line["waiting"] for line in lines] == ["anthropic refuses the key", None]
    assert [line["comparisons_judged"] for line in lines] == [0, 1]


def test_a_terminal_says_once_what_keeps_a_batch_waiting() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=True, color_system=None, legacy_windows=False)

    with LiveProgress(console) as live:
        for reason in ("anthropic: rate limit until 10:42",) * 2 + (None, None):
            live.show(status(judged=1), waiting=reason)

    assert screen.getvalue().count("waiting: anthropic: rate limit until 10:42") == 1
    assert screen.getvalue().count("continuing") == 1


def test_live_progress_fits_a_terminal_of_80_columns() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=True, color_system=None, legacy_windows=False)
    long = status(judged=123_456, failed=1234, budget=999_999, seconds=1e6)

    with LiveProgress(console) as live:
        live.show(long)

    lines = re.sub(r"\x1b\[[?0-9]*[a-zA-Z]", "", screen.getvalue()).splitlines()
    assert all(len(line) <= 80 for line in lines)
    for fact in progress_lines(long):
        assert any(fact in line for line in lines)


def test_where_there_is_no_terminal_each_change_is_one_json_line() -> None:
    console = Console(file=io.StringIO(), width=80)

    with LiveProgress(console) as live:
        for judged in (1, 1, 2):
            live.show(status(judged=judged))

    assert isinstance(console.file, io.StringIO)
    first, second = map(json.loads, console.file.getvalue().splitlines())
    assert (first["event"], first["state"], first["waiting"]) == ("batch.progress", "judging", None)
    assert (first["reliability"], first["target"], first["cost_usd"]) == (0.812, 0.9, 0.0123)
    assert (first["comparisons_judged"], second["comparisons_judged"]) == (1, 2)


def test_the_ranking_fits_80_columns_and_loses_nothing_of_a_long_name() -> None:
    name = "essay-by-" + "a-student-with-a-long-name-" * 3

    lines = printed(ranking_of(finished("anchor-1", name, "[b]essay[b]")))

    assert all(len(line) <= 80 for line in lines)
    header = lines[1]
    names = [line[header.index("essay") : header.index("grade")].strip() for line in lines]
    assert name in "".join(names)
    assert any("[b]essay[b]" in line for line in lines)


def test_the_ranking_shows_rank_grade_certainty_and_score_with_its_error() -> None:
    lines = printed(ranking_of(finished("first", "second")))

    assert lines[0].rstrip() == "A task"
    assert lines[2].split() == ["1", "first", "(anchor)", "A", "known", "+0.50", "±", "0.40"]
    assert lines[3].split() == ["2", "second", "–", "–", "-0.50", "±", "0.40"]


def test_the_totals_are_one_line() -> None:
    assert totals_line(finished("a", "b")).startswith(
        "3 essays and 0 anchors, 10 comparisons, reliability 0.812, $0.0123,"
    )


def test_a_run_without_problems_lists_none() -> None:
    assert problems(finished("a", "b")) == []


def test_essays_without_a_rank_and_failed_comparisons_are_noted() -> None:
    metadata: dict[str, object] = {
        "failed_essays": {"c": "EMPTY_CONTENT: the essay has no text"},
        "unranked_essays": {"d": "no comparison of it was judged"},
        "look_at": {"b": {"signals": ["it speaks to the judge"]}},
        "failed_comparisons": {"total": 3, "by_error_code": {"TIMEOUT": 2, "LLM_PARSING_ERROR": 1}},
    }

    assert problems(finished("a", "b", metadata=metadata)) == [
        "c was not judged: EMPTY_CONTENT: the essay has no text",
        "d has no rank: no comparison of it was judged",
        "read b yourself: it speaks to the judge",
        "3 comparisons failed: 2 × TIMEOUT, 1 × LLM_PARSING_ERROR",
    ]


def test_many_notes_of_one_kind_are_cut_short_and_say_so() -> None:
    failed = {f"essay-{number}": "no text" for number in range(25)}

    found = problems(finished("a", "b", metadata={"failed_essays": failed}))

    assert len(found) == 11
    assert found[-1] == "and 15 more of this kind: see result.json"


@pytest.mark.parametrize(("ssr", "inflated"), [(0.9, False), (0.95, True), (1, True)])
def test_an_inflated_classical_reliability_is_flagged(ssr: float, inflated: bool) -> None:
    said = {"eb": 0.82, "ssr": ssr, "is_inflated": inflated}
    found = problems(finished("a", "b", metadata={"reliability": said}))

    assert any("do not quote the classical reliability" in problem for problem in found) is inflated


def test_warnings_about_grades_and_the_reason_for_having_none_are_noted() -> None:
    grades = projections(["a", "b"], warnings=["only 1 anchor"], reason="one grade is no scale")

    found = problems(finished("a", "b", metadata={"grade_projections": grades}))

    assert found == ["only 1 anchor", "no grades: one grade is no scale"]


def test_every_state_has_a_name() -> None:
    for state in AssessmentState:
        console = Console(file=io.StringIO(), width=80)
        LiveProgress(console).show(status(state))
