"""An analysis on the screen: reliability, ranking, judges that differ, warnings."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from batch_runner.analysing.findings import (
    Analysis,
    GraphView,
    JudgeView,
    ModelItem,
    PanelView,
    PositionBiasView,
)

ITEMS_SHOWN: Final = 40
LAST_SHOWN: Final = 10
"""How many of the best, and of the last, are shown of a long ranking."""
JUDGES_SHOWN: Final = 15

RowT = TypeVar("RowT")


def print_analysis(analysis: Analysis, *, name: str, console: Console, all_rows: bool) -> None:
    """Print tables that fit 80 columns; a long ranking is cut in the middle unless ``all_rows`` is set."""
    console.out(counts_line(analysis, name=name), highlight=False)
    for line in analysis.how_read:
        console.print(Text(line, style="dim"), highlight=False)
    console.print(_reliability_table(analysis))
    for flag in analysis.red_flags:
        console.print(Text.assemble(("RED FLAG ", "bold red"), flag), highlight=False)
    console.print(_items_table(analysis.model.items, all_rows=all_rows))
    if len(analysis.judge_table) > 1 or analysis.model.position_bias is not None:
        console.print(_judges_table(analysis, all_rows=all_rows))
    if analysis.panel is not None:
        console.print(_panel_table(analysis.panel))
        console.print(_agreements_table(analysis.panel, all_rows=all_rows))
    for line in _remarks(analysis):
        console.print(Text(line), highlight=False)
    for warning in analysis.warnings:
        console.print(Text.assemble(("note ", "yellow"), warning), highlight=False)


def counts_line(analysis: Analysis, *, name: str) -> str:
    """What the file holds, and which rows could not be fitted."""
    left_out = {
        "self-comparisons": analysis.self_comparisons,
        "ties": 0 if analysis.halved_ties else analysis.ties,
        "without a vote": analysis.without_vote,
    }
    reasons = ", ".join(f"{count} {what}" for what, count in left_out.items() if count)
    line = (
        f"{name}: {analysis.comparisons} comparisons of {len(analysis.model.items)} items"
        f" by {_counted(analysis.judges, 'judge')}"
    )
    if analysis.halved_ties:
        line = f"{line}; {_counted(analysis.ties, 'tie')} as half a win either way"
    return f"{line}; left out: {reasons}" if reasons else line


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _reliability_table(analysis: Analysis) -> Table:
    table = _table("Reliability")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_column("")
    classical = analysis.classical
    for name, key, value, meaning in (
        (
            "EB",
            "eb",
            analysis.model.eb_reliability,
            "decide on this one: adaptive pairing does not inflate it",
        ),
        ("SSR", "ssr", classical and classical.ssr, "what most programs print; inflated by adaptive pairing"),
        (
            "SSR′",
            "ssr_prime",
            classical and classical.ssr_prime,
            "Kinnear, Jones & Davies 2025; pure noise reads about 0.5",
        ),
        ("split-half", "split_half", analysis.split_half, "agreement of the scores of two random halves"),
        (
            "  stepped up",
            "split_half_stepped_up",
            analysis.split_half_stepped_up,
            "the same for all judgements together, 2r/(1+r)",
        ),
    ):
        shown = (
            "not measurable" if key in analysis.not_measurable else "–" if value is None else f"{value:.3f}"
        )
        table.add_row(name, shown, Text(meaning, style="dim"))
    return table


def _items_table(items: Sequence[ModelItem], *, all_rows: bool) -> Table:
    table = _table("Items", "rank", "item", "score ± error", "won", "infit", "outfit", "")
    for item in _cut(items, len(items) if all_rows else ITEMS_SHOWN):
        if item is None:
            table.add_row("…", Text(f"{len(items) - ITEMS_SHOWN} more: --all", style="dim"))
        else:
            table.add_row(*map(Text, _item_cells(item)))
    return table


def _cut(rows: Sequence[RowT], limit: int) -> Iterator[RowT | None]:
    """All rows, or the first and the last of them with None between."""
    if len(rows) <= limit:
        yield from rows
        return
    yield from rows[: limit - LAST_SHOWN]
    yield None
    yield from rows[-LAST_SHOWN:]


def _item_cells(item: ModelItem) -> tuple[str, ...]:
    return (
        str(item.rank),
        item.item,
        f"{item.theta:+.2f} ± {item.se:.2f}",
        f"{item.wins:g}/{item.comparisons:g}",
        f"{item.infit:.2f}",
        f"{item.outfit:.2f}",
        ", ".join(item.flags),
    )


def _judges_table(analysis: Analysis, *, all_rows: bool) -> Table:
    judges = analysis.judge_table
    slots_known = analysis.model.position_bias is not None
    slots = ("prefers first", "same if swapped") if slots_known else ()
    table = _table("Judges", "judge", "judged", "infit", "outfit", *slots, "")
    shown = judges if all_rows else judges[:JUDGES_SHOWN]
    for judge in shown:
        cells = _slot_cells(judge) if slots_known else ()
        table.add_row(*map(Text, (*_judge_cells(judge), *cells, ", ".join(judge.flags))))
    if len(shown) < len(judges):
        flagged = sum(bool(judge.flags) for judge in judges[len(shown) :])
        table.caption = f"… {len(judges) - len(shown)} more, {flagged} of them flagged: --all"
    return table


def _judge_cells(judge: JudgeView) -> tuple[str, ...]:
    return judge.judge, f"{judge.comparisons:g}", f"{judge.infit:.2f}", f"{judge.outfit:.2f}"


def _slot_cells(judge: JudgeView) -> tuple[str, ...]:
    share = judge.same_winner_share
    swapped = "–" if share is None else f"{share:.0%} of {judge.swapped_pairs}"
    return _bias(judge.position_bias), swapped


def _panel_table(panel: PanelView) -> Table:
    table = _table("Panel", "judge", "sharpness", "predicted by the others")
    for judge in panel.judges:
        predicted = "–" if judge.predicted is None else f"{judge.predicted:.0%}"
        table.add_row(Text(judge.judge), f"{judge.discrimination:.2f}", predicted)
    return table


def _agreements_table(panel: PanelView, *, all_rows: bool) -> Table:
    table = _table("Agreement on common pairs", "judge", "judge", "pairs", "agree", "kappa")
    shown = panel.agreements if all_rows else panel.agreements[:JUDGES_SHOWN]
    for two in shown:
        kappa = "–" if two.kappa is None else f"{two.kappa:.2f}"
        table.add_row(Text(two.first), Text(two.second), str(two.pairs), f"{two.agreement:.0%}", kappa)
    if len(shown) < len(panel.agreements):
        table.caption = f"… {len(panel.agreements) - len(shown)} more: --all"
    return table


def _bias(bias: PositionBiasView | None) -> str:
    return "–" if bias is None else f"{bias.b:+.2f} ± {bias.se:.2f}"


def _remarks(analysis: Analysis) -> Iterator[str]:
    bias = analysis.model.position_bias
    if bias is not None:
        yield f"Position: of two equal items the first wins {bias.p_first_if_equal:.0%} (b {_bias(bias)})"
    for judge in analysis.judge_table[:JUDGES_SHOWN]:
        if judge.levels is not None:
            yield f"Margins: {judge.judge}: {judge.levels}"
    yield _graph_line(analysis.graph)
    if analysis.close_calls:
        close = sum(map(len, analysis.close_calls))
        yield f"Too close to call: {close} items in {_counted(len(analysis.close_calls), 'group')} of neighbours"


def _graph_line(graph: GraphView) -> str:
    facts = [
        _counted(graph.components, "part"),
        f"{_degrees(graph)} comparisons per item",
        f"connectivity {graph.algebraic_connectivity:.2f}",
    ]
    if graph.circular_share is not None:
        facts.append(f"circular triads {graph.circular_share:.1%} (random: 25 %)")
    if not graph.win_graph_connected:
        facts.append("some items are not linked by wins both ways")
    return f"Graph: {', '.join(facts)}"


def _degrees(graph: GraphView) -> str:
    if graph.degree_min == graph.degree_max:
        return str(graph.degree_min)
    return f"{graph.degree_min} to {graph.degree_max} (median {graph.degree_median:g})"


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        header_style="bold",
        box=None,
    )
    for name in columns:
        words = name in ("item", "judge", "")
        table.add_column(name, justify="left" if words else "right", overflow="fold")
    table.show_header = bool(columns)
    return table
