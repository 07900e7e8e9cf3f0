"""How what the service answers looks in a terminal of 80 columns, and as JSON."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from command_line.printable import printable
from event_contracts import (
    AdminAnchors,
    AssessmentState,
    BatchPage,
    BatchStatusView,
    ChangePage,
    ChangeView,
    ContextOrigin,
    ErasureView,
    InstructionPage,
    InstructionView,
    InvalidRequest,
    JsonObject,
    ScaleList,
    WireModel,
)
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text
from suite_access.private_files import write_private

NOTHING: Final = "–"
LINE_SHOWN: Final = 60
STORAGE_ID_SHOWN: Final = 12
_ORIGINS: Final = {
    ContextOrigin.RESEARCH_EXPERIMENT: "research",
    ContextOrigin.CANONICAL_NATIONAL: "national",
}
_STATES: Final = {AssessmentState.COMPLETED_WITH_FAILURES: "with failures"}


def print_json(console: Console, view: WireModel | JsonObject) -> None:
    """One JSON document."""
    text = view.model_dump_json() if isinstance(view, WireModel) else json.dumps(view)
    console.print_json(text)


def print_text(console: Console, text: str) -> None:
    """A text as it is; on a screen, what would steer the screen is written out."""
    shown = "\n".join(map(printable, text.split("\n"))) if console.is_terminal else text
    console.file.write(shown if shown.endswith("\n") else f"{shown}\n")


def save_text(path: Path, text: str) -> None:
    """Write a file for its owner's eyes only; raises ``InvalidRequest``."""
    try:
        write_private(path, text)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be written: {error.strerror}") from error


def cell(value: object) -> Text:
    """What the service said, as text and nothing else: no markup, nothing that steers the terminal."""
    return Text(NOTHING if value is None or value == "" else printable(str(value)))


def facts(rows: Iterable[tuple[str, object]]) -> Table:
    """Facts, a line each."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value if isinstance(value, Text) else cell(value))
    return table


def _table(*headings: str, wide: Sequence[str] = ()) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading not in wide)
    return table


def instructions_table(page: InstructionPage) -> Table:
    """Whose instructions there are, and on which scale."""
    table = _table("assignment", "scale", "origin", "prompt", "rubric", "changed", wide=("assignment",))
    for one in page.items:
        table.add_row(
            cell(one.assignment_id or owner_of(one)),
            cell(one.grade_scale),
            _ORIGINS[one.context_origin],
            "yes" if one.student_prompt_storage_id else NOTHING,
            "yes" if one.judge_rubric_storage_id else NOTHING,
            f"{one.updated_at:%Y-%m-%d}",
        )
    return table


def owner_of(view: InstructionView) -> str:
    """Whose instructions they are, in words."""
    return f"assignment {view.assignment_id}" if view.assignment_id else f"course {view.course_id}"


def instruction_facts(view: InstructionView) -> Table:
    """Everything about one owner's instructions."""
    return facts(
        [
            ("of", owner_of(view)),
            ("scale", view.grade_scale),
            ("context", view.context_origin.value),
            ("prompt", "uploaded" if view.student_prompt_storage_id else "none"),
            ("rubric", "uploaded" if view.judge_rubric_storage_id else "none"),
            ("created", moment(view.created_at)),
            ("changed", moment(view.updated_at)),
            ("text", Text("\n".join(map(printable, view.instructions_text.split("\n"))))),
        ]
    )


def anchors_table(anchors: AdminAnchors) -> Table:
    """The anchors on the assignment's scale."""
    table = _table("id", "label", "grade", "scale", "registered", wide=("label",))
    for one in anchors.anchors:
        table.add_row(
            str(one.anchor_id),
            cell(one.anchor_label),
            cell(one.grade),
            cell(one.grade_scale),
            f"{one.created_at:%Y-%m-%d}",
        )
    return table


def scales_table(scales: ScaleList) -> Table:
    """The scales that there are, lowest grade first."""
    table = _table("scale", "grades, lowest first", "below the lowest anchor", wide=("grades, lowest first",))
    for one in scales.scales:
        table.add_row(cell(one.id), cell(" ".join(one.grades)), cell(one.below_lowest))
    return table


def audit_table(page: ChangePage) -> Table:
    """Who changed what and when; under each change, what became of what."""
    table = _table("id", "when", "who", "what", wide=("who", "what"))
    for one in page.items:
        what = Text("\n").join([cell(f"{one.operation} {one.subject}"), *_differences(one)])
        table.add_row(str(one.id), moment(one.at), cell(one.by), what)
    return table


def _differences(change: ChangeView) -> Iterator[Text]:
    before, after = change.before or {}, change.after or {}
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) == after.get(name):
            continue
        old, new = _line(name, before.get(name)), _line(name, after.get(name))
        if change.before is None:
            shown = new
        elif change.after is None:
            shown = old
        else:
            shown = f"{old} → {new}"
        yield Text(f"{printable(name)}: {shown}", style="dim")


def _line(name: str, value: object) -> str:
    """A value within a line; of a text's id its start, as of a commit's."""
    if value is None:
        return NOTHING
    text = printable(str(value))
    most = STORAGE_ID_SHOWN if name.endswith("storage_id") else LINE_SHOWN
    return text if len(text) <= most else f"{text[:most]}…"


def batches_table(page: BatchPage) -> Table:
    """Batches, the newest first."""
    table = _table("batch", "state", "course", "received", wide=("batch",))
    for one in page.items:
        table.add_row(cell(one.batch_id), _state(one.state), one.course_code.value, moment(one.created_at))
    return table


def batch_facts(view: BatchStatusView) -> Table:
    """How far a batch is, in words."""
    progress, cost = view.progress, view.cost
    failed = f", {progress.comparisons_failed} failed" if progress.comparisons_failed else ""
    allowed = "" if cost.max_cost_usd is None else f" of {cost.max_cost_usd:.2f}"
    unknown = "" if cost.prices_known else ", and calls without a known price"
    rows: list[tuple[str, object]] = [
        ("batch", view.batch_id),
        ("state", _state(view.state) + (f" ({view.stop_reason.value})" if view.stop_reason else "")),
        ("assignment", view.assignment_id),
        ("course", view.course_code.value),
        ("essays", f"{progress.essays}, and {progress.anchors} anchors"),
        (
            "comparisons",
            f"{progress.comparisons_judged} judged, {progress.comparisons_waiting} waiting{failed}",
        ),
        ("cost", f"{cost.cost_usd:.4f}{allowed} US dollars{unknown}"),
        ("reliability", NOTHING if view.reliability.eb is None else f"{view.reliability.eb:.3f}"),
        ("received", moment(view.created_at)),
        ("ended", NOTHING if view.completed_at is None else moment(view.completed_at)),
    ]
    if view.error is not None:
        rows.append(("error", f"{view.error.error_code}: {view.error.message}"))
    if view.problem is not None:
        rows.append(("problem", f"{view.problem.code}: {view.problem.message}"))
    return facts(rows)


def erasure_facts(view: ErasureView) -> Group:
    """What is forgotten of a batch, and who has still to do it."""
    what = "everything" if view.everything else "texts, prompts, reasons and names; scores and grades stay"
    rows: list[tuple[str, object]] = [
        ("batch", view.batch_id),
        ("forgotten", what),
        ("asked for", f"{moment(view.requested_at)} by {view.requested_by}"),
        ("complete", moment(view.completed_at) if view.completed_at else "not yet"),
    ]
    if view.waiting_for:
        rows.append(("waiting for", ", ".join(view.waiting_for)))
    notes = []
    if view.texts_kept_elsewhere:
        notes.append(
            Text(
                f"{view.texts_kept_elsewhere} texts are kept by the external content service: others may refer to them",
                style="yellow",
            )
        )
    return Group(facts(rows), *notes)


def moment(at: datetime) -> str:
    """A time to the minute, UTC."""
    return f"{at:%Y-%m-%d %H:%M}"


def _state(state: AssessmentState) -> str:
    return _STATES.get(state, state.value)
