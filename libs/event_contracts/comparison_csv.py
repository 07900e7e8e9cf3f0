"""Comparisons as a CSV table: one row each, safe to open in a spreadsheet program, and ready to be analysed again.

A text that begins like a formula is written with an apostrophe before it, as OWASP recommends; `unescape_formula`
takes it away again. Numbers are left alone: a score of -0.5 is not a formula.
"""

import csv
import io
from collections.abc import Iterable
from typing import Final

from event_contracts.cj_http import ComparisonView
from event_contracts.comparison_results import Winner

COMPARISON_COLUMNS: Final = (
    "comparison_id",
    "round",
    "essay_a_id",
    "essay_b_id",
    "state",
    "judge",
    "candidate_chosen",
    "candidate_not_chosen",
    "margin",
    "confidence",
    "log_odds",
    "justification",
    "attempts",
    "cost_usd",
    "prompt_sha256",
    "error_code",
    "judged_at",
)

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_GUARD: Final = "'"


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV (RFC 4180), with every formula escaped."""
    target = io.StringIO(newline="")
    writer = csv.writer(target)
    writer.writerows([escape_formula(cell) for cell in row] for row in rows)
    return target.getvalue()


def comparison_row(view: ComparisonView) -> tuple[object, ...]:
    """One comparison in the order of `COMPARISON_COLUMNS`; without a vote the winner is empty."""
    pair = (view.essay_a_id, view.essay_b_id)
    chosen, other = pair if view.winner is Winner.ESSAY_A else pair[::-1]
    return (
        view.comparison_id,
        view.round,
        view.essay_a_id,
        view.essay_b_id,
        view.state,
        f"{view.provider}/{view.model}" if view.provider else "",
        chosen if view.winner else "",
        other if view.winner else "",
        view.margin,
        view.confidence,
        view.log_odds_a.value if view.log_odds_a else None,
        view.justification,
        view.attempts,
        view.cost_usd,
        view.prompt_sha256,
        view.error_code,
        view.judged_at.isoformat() if view.judged_at else "",
    )


def escape_formula(cell: object) -> object:
    """The cell as a spreadsheet program takes it for text."""
    return f"{_GUARD}{cell}" if isinstance(cell, str) and _needs_guard(cell) else cell


def unescape_formula(cell: str) -> str:
    """The text as it was before `escape_formula`."""
    return cell[1:] if cell.startswith(_GUARD) and _needs_guard(cell[1:]) else cell


def _needs_guard(cell: str) -> bool:
    # A text that looks escaped is escaped once more, so that reading gives back exactly what was written.
    return cell.lstrip(_GUARD).startswith(_FORMULA_STARTS)
