"""What a national exam takes: rows, bytes, hours, dollars, computed from the figures of the benchmarks page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Final

from event_contracts import MAX_ESSAYS_PER_BATCH
from model_manifest import TokenCounts, get_model, price

PRICES_OF: Final = datetime(2026, 11, 27, tzinfo=UTC)
"""Prices are those of this day, so that the page does not change by itself."""

MODELS: Final = (("anthropic", "claude-haiku-5-5"), ("openai", "gpt-6-luna"), ("google", "gemini-3.8-flash"))
LIMITS: Final = ((1_000, 2_000_000), (4_000, 8_000_000), (20_000, 40_000_000))
"""Requests and input tokens per minute that a vendor may allow."""

BYTES_PER_TOKEN: Final = 4


@dataclass(frozen=True, kw_only=True)
class Exam:
    """What is to be judged; sizes are assumptions about essays, not measurements."""

    essays: int
    comparisons: int
    essay_bytes: int = 3_000
    shared_tokens: int = 600
    """Instructions, task and rubric, which every prompt begins with."""
    answer_tokens: int = 150

    @property
    def input_tokens(self) -> int:
        """Tokens of one prompt, with its two essays."""
        return self.shared_tokens + 2 * self.essay_bytes // BYTES_PER_TOKEN

    @property
    def batches(self) -> int:
        """Batches of the largest size that are allowed; anchors tie them to one scale."""
        return ceil(self.essays / MAX_ESSAYS_PER_BATCH)


NATIONAL_EXAM: Final = Exam(essays=100_000, comparisons=2_000_000)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What the benchmarks have measured."""

    comparisons_per_second: float
    allowance_used: float
    rows: float
    bytes: float
    messages: float
    message_bytes: float
    essay_bytes: int


def read_figures(page: str) -> Figures:
    """The figures of the benchmarks page; ``ValueError`` where the page lacks one."""
    stored = dict(re.findall(r"(\w+)=([\d.]+)", _one(page, r"^`(rows=.*)`$")))
    return Figures(
        comparisons_per_second=float(_one(page, r"\*\*([\d,.]+) comparisons (?:a|per) second\*\*")),
        allowance_used=float(_one(page, r"^\| requests \| 3 \| ([\d.]+)%")) / 100,
        rows=float(stored["rows"]),
        bytes=float(stored["bytes"]),
        messages=float(stored["messages"]),
        message_bytes=float(stored["message_bytes"]),
        essay_bytes=int(stored["essay_bytes"]),
    )


def _one(page: str, pattern: str) -> str:
    found = re.search(pattern, page, re.MULTILINE)
    if found is None:
        raise ValueError(f"the benchmarks page has nothing like {pattern}")
    return found[1]


def database_bytes(exam: Exam, figures: Figures) -> float:
    """Maximum bytes in both databases before any retention: as if all of it grew with the essays in the prompts."""
    return exam.comparisons * figures.bytes * max(1, exam.essay_bytes / figures.essay_bytes)


def hours_at(exam: Exam, figures: Figures, *, requests: float, tokens: float) -> float:
    """Hours that a vendor's limits per minute allow no less than."""
    per_minute = min(requests, tokens / exam.input_tokens) * figures.allowance_used
    return exam.comparisons / per_minute / 60


def dollars(exam: Exam, provider: str, name: str, *, batch: bool) -> float | None:
    """What the comparisons cost at list price; None where the list has no price."""
    model = get_model(provider, name)
    amount = price(
        model, TokenCounts(input=exam.input_tokens, output=exam.answer_tokens), at=PRICES_OF, batch=batch
    ).amount
    return None if amount is None else float(amount) * exam.comparisons


def section(exam: Exam, figures: Figures) -> str:
    """The computed part of the page on scaling."""
    return "\n".join(
        ["<!-- model: written by cj-suite generate -->", *_lines(exam, figures), "<!-- model: end -->"]
    )


def _lines(exam: Exam, figures: Figures) -> Iterator[str]:
    machine_hours = exam.comparisons / figures.comparisons_per_second / 3600
    each = exam.comparisons / exam.essays
    yield f"**{exam.essays:,} essays and {exam.comparisons:,} comparisons**, {each:.0f} per essay,"
    yield f"in {exam.batches} batches of {MAX_ESSAYS_PER_BATCH:,} that the same anchors tie to one scale."
    yield ""
    yield "| what | how much | from |"
    yield "|---|--:|---|"
    yield (
        f"| tokens per prompt | {exam.input_tokens:,} | essays of {exam.essay_bytes:,} bytes,"
        f" {exam.shared_tokens} tokens that all prompts share |"
    )
    yield f"| rows | {exam.comparisons * figures.rows / 1e6:.1f} million | {figures.rows:.2f} per comparison |"
    yield (
        f"| databases, before any retention | {database_bytes(exam, figures) / 1e9:.0f} GB |"
        f" {database_bytes(exam, figures) / exam.comparisons:,.0f} bytes per comparison |"
    )
    yield (
        f"| messages | {exam.comparisons * figures.messages / 1e6:.1f} million,"
        f" {exam.comparisons * figures.message_bytes / 1e9:.1f} GB | {figures.messages:.2f} per comparison |"
    )
    yield (
        f"| the suite's own time, two cores for everything | {machine_hours:.1f} hours |"
        f" {figures.comparisons_per_second:.0f} comparisons per second |"
    )
    yield ""
    yield "| a vendor allows per minute | hours, at least | comparisons per second | replicas of 2 cores, partitions |"
    yield "|---|--:|--:|--:|"
    for requests, tokens in LIMITS:
        hours = hours_at(exam, figures, requests=requests, tokens=tokens)
        rate = exam.comparisons / hours / 3600
        replicas = ceil(rate / figures.comparisons_per_second)
        yield f"| {requests:,} requests, {tokens / 1e6:g} million tokens | {hours:.1f} | {rate:.0f} | {replicas} |"
    yield ""
    yield "| model | dollars | through its batch API |"
    yield "|---|--:|--:|"
    for provider, name in MODELS:
        live, later = (_money(dollars(exam, provider, name, batch=batch)) for batch in (False, True))
        yield f"| {provider}/{name} | {live} | {later} |"


def _money(amount: float | None) -> str:
    return "no price known" if amount is None else f"{amount:,.0f}"
