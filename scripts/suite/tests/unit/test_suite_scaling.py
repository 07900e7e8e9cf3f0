"""The model of a national exam: computed from the figures, and honest where one is missing."""

from pathlib import Path

import pytest
from suite.benchmarks.page import PAGE
from suite.scaling import (
    Exam,
    Figures,
    database_bytes,
    dollars,
    hours_at,
    read_figures,
    section,
)

ROOT = Path(__file__).parents[4]
FIGURES = Figures(
    comparisons_per_second=400,
    allowance_used=0.98,
    rows=8,
    bytes=10_000,
    messages=4,
    message_bytes=6_000,
    essay_bytes=2_000,
)
EXAM = Exam(essays=1_000, comparisons=20_000, essay_bytes=3_000, shared_tokens=500, answer_tokens=100)


def test_hours_follow_whichever_limit_binds() -> None:
    assert EXAM.input_tokens == 2_000
    assert hours_at(EXAM, FIGURES, requests=1_000, tokens=10**9) == pytest.approx(20_000 / 980 / 60)
    assert hours_at(EXAM, FIGURES, requests=10**9, tokens=1_000_000) == pytest.approx(20_000 / 490 / 60)


def test_databases_grow_with_the_essays_in_their_prompts() -> None:
    assert database_bytes(EXAM, FIGURES) == 20_000 * 10_000 * 1.5


def test_dollars_are_the_price_lists_and_half_through_a_batch_api() -> None:
    live = dollars(EXAM, "anthropic", "claude-haiku-5-5", batch=False)
    later = dollars(EXAM, "anthropic", "claude-haiku-5-5", batch=True)

    assert live is not None
    assert live == pytest.approx(20_000 * (2_000 * 0.10 + 100 * 0.50) / 1e6)
    assert later == pytest.approx(live / 2)
    assert dollars(EXAM, "openai_compatible", "nobody-knows", batch=False) is None


def test_the_benchmarks_page_has_every_figure_and_the_page_on_scaling_shows_the_model() -> None:
    figures = read_figures((ROOT / PAGE).read_text("utf-8"))

    text = section(EXAM, figures)

    assert figures.comparisons_per_second > 0
    assert 0.5 < figures.allowance_used <= 1
    assert "1,000 essays and 20,000 comparisons" in text


def test_a_page_without_a_figure_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing like"):
        read_figures("# Benchmarks\n")
