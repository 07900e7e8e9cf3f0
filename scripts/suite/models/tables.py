"""How models, prices and findings look in a terminal of 80 columns."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from event_contracts import ReasoningEffort
from model_manifest import Limits, Model, ResolvedModel
from model_manifest.checking import Finding, Severity
from model_manifest.price_list import PRICE_LIST, price_source, rates_on, source_name
from model_manifest.rates import Rates
from rich.markup import escape
from rich.table import Table

NOTHING: Final = "–"
STYLES: Final = {
    Severity.BREAKING: "bold red",
    Severity.NOT_ASKED: "yellow",
    Severity.NEWER: "cyan",
    Severity.UNKNOWN_FAMILY: "magenta",
    Severity.NOTICE: "dim",
}


def findings_table(findings: Sequence[Finding]) -> Table:
    """Findings, the most urgent first."""
    table = _table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="fold")
    table.add_column()
    for found in sorted(findings, key=lambda found: list(STYLES).index(found.severity)):
        name = escape(found.model or NOTHING)
        table.add_row(
            found.severity.replace("_", " "), name, escape(found.message), style=STYLES[found.severity]
        )
    return table


def models_table(models: Sequence[Model], day: date) -> Table:
    """A line per model, under its provider; prices are those of the day."""
    table = _table()
    for heading in ("model", "ctx", "out", "$ in", "$ out", "effort", "temp", "until"):
        numeric = heading in ("ctx", "out", "$ in", "$ out")
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    shown: str | None = None
    for model in models:
        if model.provider != shown:
            shown = model.provider
            table.add_row(f"[bold]{shown}[/]")
        table.add_row(*_model_row(model, day), style="dim" if model.deprecated else None)
    return table


def _model_row(model: Model, day: date) -> tuple[str, ...]:
    rates = rates_on(model, day)
    unknown = "free" if model.free else "?"
    return (
        escape(model.id),
        _tokens(model.context_window),
        _tokens(model.output_limit),
        unknown if rates is None else _dollars(rates.input),
        unknown if rates is None else _dollars(rates.output),
        _efforts(model.reasoning_efforts),
        _temperature(model),
        _until(model, day),
    )


def model_facts(model: Model) -> Iterator[tuple[str, str]]:
    """The facts of a model in the manifest, in words."""
    yield "family", model.family
    yield "context", f"{_tokens(model.context_window)} tokens, {_tokens(model.output_limit)} of them written"
    yield "answers by", model.structured_output
    yield "reasoning", _reasoning(model)
    yield "temperature", _temperature_in_words(model)
    yield "verbosity", ", ".join(model.verbosities) or "not taken"
    yield "prompt caching", model.prompt_caching or "none"
    yield "batch API", "yes" if model.batch_api else "no"
    yield "token probabilities", _probabilities(model)
    yield "kept by the vendor", model.retention or "nothing beyond the answer, or nothing is known"
    yield "released", str(model.released or "not known")
    yield "retires", _retirement_in_words(model)
    yield "starts at", _limits(model.limits)


def resolved_facts(resolved: ResolvedModel) -> Iterator[tuple[str, str]]:
    """The parameters that a judge would be called with, in words."""
    yield "judge", f"{resolved.provider}/{resolved.model}"
    yield "temperature", _or_default(resolved.temperature)
    yield "max tokens", str(resolved.max_tokens)
    sent = f" (sent as {resolved.no_reasoning})" if resolved.no_reasoning else ""
    yield "reasoning effort", _or_default(resolved.reasoning_effort) + sent
    yield "verbosity", _or_default(resolved.output_verbosity)
    yield "answers by", resolved.structured_output
    yield "token probabilities", "asked for" if resolved.token_probabilities else "not asked for"
    if resolved.retention is not None:
        yield "kept by the vendor", resolved.retention


def facts_table(facts: Iterable[tuple[str, str]]) -> Table:
    """Facts, a line each."""
    table = _table(show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, fact in facts:
        table.add_row(name, escape(fact))
    return table


def price_table(model: Model, day: date) -> Table | str:
    """What a million tokens cost on a day, directly and in a batch; a sentence where nothing is known or asked."""
    if model.free:
        return "[dim]costs nothing[/]"
    direct, batch = rates_on(model, day), rates_on(model, day, batch=True)
    if direct is None:
        return f"[yellow]{PRICE_LIST} has no price of it: what it costs is not counted[/]"
    table = _table(caption=_price_caption(model, direct, day))
    for heading in (
        f"$ per million tokens, {day}",
        "read",
        "cached",
        "written to cache",
        "for an hour",
        "output",
    ):
        table.add_column(heading, justify="left" if heading.startswith("$") else "right")
    table.add_row("directly", *_price_cells(direct))
    if batch is not None:
        table.add_row("in a batch", *_price_cells(batch))
    return table


def _source(model: Model) -> str:
    """Where the price is from, and the factor that the endpoint charges."""
    name = "a price that is written down here" if model.own_prices else source_name(model)
    return name if model.price_factor == 1 else f"{name}, times {model.price_factor.normalize():f}"


def _probabilities(model: Model) -> str:
    if not model.token_probabilities:
        return "not given"
    return "given with the effort none" if model.temperature_needs_no_reasoning else "given"


def _price_cells(rates: Rates) -> tuple[str, ...]:
    amounts = (rates.input, rates.cache_read, rates.cache_write, rates.cache_write_1h, rates.output)
    return tuple(NOTHING if amount is None else _dollars(amount) for amount in amounts)


def _price_caption(model: Model, rates: Rates, day: date) -> str:
    entry = price_source(model)
    change = None if entry is None else entry.next_change(day)
    long = f"more above {rates.long_prompt:,} tokens read" if rates.long_prompt else ""
    later = f"other prices from {change} on" if change else ""
    return "; ".join(part for part in (_source(model), long, later) if part)


def _tokens(count: float | None) -> str:
    if count is None:
        return NOTHING
    return f"{count / 1_000_000:.3g}M" if count >= 1_000_000 else f"{count / 1_000:.0f}k"


def _dollars(amount: Decimal) -> str:
    return f"{amount:.2f}" if amount == round(amount, 2) else f"{amount.normalize():f}"


def _efforts(efforts: Sequence[ReasoningEffort]) -> str:
    every = list(ReasoningEffort)
    if len(efforts) < 2:
        return efforts[0] if efforts else NOTHING
    first, last = every.index(efforts[0]), every.index(efforts[-1])
    return f"{efforts[0]}–{efforts[-1]}" if last - first == len(efforts) - 1 else "/".join(efforts)


def _reasoning(model: Model) -> str:
    if not model.reasoning_efforts:
        return "no effort is taken"
    default = f"; {model.default_effort} where none is asked for" if model.default_effort else ""
    sent = f"; none is sent as {model.no_reasoning}" if model.no_reasoning else ""
    return f"{', '.join(model.reasoning_efforts)}{default}{sent}"


def _temperature(model: Model) -> str:
    if model.temperature is None:
        return NOTHING
    low, high = model.temperature
    return f"{low:g}–{high:g}{'*' if model.temperature_needs_no_reasoning else ''}"


def _temperature_in_words(model: Model) -> str:
    if model.temperature is None:
        return "not taken"
    low, high = model.temperature
    only = ", only with the effort none" if model.temperature_needs_no_reasoning else ""
    return f"{low:g} to {high:g}{only}"


def _until(model: Model, day: date) -> str:
    if model.is_retired(day):
        return "retired"
    if model.retires is not None:
        return str(model.retires)
    return "default" if model.default else ""


def _retirement_in_words(model: Model) -> str:
    if model.retires is None:
        return "no date announced"
    return f"{model.retires}; then use {model.successor}"


def _limits(limits: Limits) -> str:
    return (
        f"{limits.requests_per_minute:,g} requests, {_tokens(limits.input_tokens_per_minute)} tokens in and"
        f" {_tokens(limits.output_tokens_per_minute)} out per minute, {limits.concurrency} at a time"
    )


def _or_default(value: object) -> str:
    return "the model's default" if value is None else str(value)


def _table(*, show_header: bool = True, caption: str | None = None) -> Table:
    return Table(
        box=None,
        show_header=show_header,
        header_style="dim",
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption=caption,
        caption_justify="left",
    )
