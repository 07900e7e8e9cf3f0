"""What a dashboard consists of, without saying how Grafana writes it down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Source(StrEnum):
    """Where a query is asked; the values are the data sources' types in Grafana, and their uids here."""

    PROMETHEUS = "prometheus"
    LOKI = "loki"


class Shape(StrEnum):
    """How an answer is shown."""

    LINES = "lines"
    NUMBER = "number"
    LOG = "log"


class Unit(StrEnum):
    """Grafana's names of units."""

    COUNT = "short"
    PER_SECOND = "reqps"
    SECONDS = "s"
    SHARE = "percentunit"
    DOLLARS = "currencyUSD"
    DAYS = "d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One expression, and what each line of its answer is called."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One question, answered by one or more queries; ``about`` says what to look for."""

    title: str
    about: str
    queries: Sequence[Query]
    unit: Unit = Unit.COUNT
    shape: Shape = Shape.LINES
    source: Source = Source.PROMETHEUS
    width: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard; ``uid`` is part of its address and never changes."""

    uid: str
    title: str
    about: str
    rows: Sequence[Row] = field(default_factory=tuple)

    def panels(self) -> Iterator[Panel]:
        """Every panel."""
        for row in self.rows:
            yield from row.panels


def lines(title: str, about: str, *queries: Query | str, unit: Unit = Unit.COUNT, width: int = 8) -> Panel:
    """A panel with lines over time; a query without a legend is given as text."""
    return Panel(title=title, about=about, queries=_queries(queries), unit=unit, width=width)


def number(title: str, about: str, *queries: Query | str, unit: Unit = Unit.COUNT, width: int = 4) -> Panel:
    """A panel with the newest value of each line in large letters."""
    return Panel(
        title=title, about=about, queries=_queries(queries), unit=unit, shape=Shape.NUMBER, width=width
    )


def log_lines(title: str, about: str, query: str, *, width: int = 24) -> Panel:
    """A panel with lines of the log."""
    return Panel(
        title=title,
        about=about,
        queries=(Query(expression=query),),
        shape=Shape.LOG,
        source=Source.LOKI,
        width=width,
    )


def counted_lines(title: str, about: str, query: Query, *, width: int = 12) -> Panel:
    """A panel with numbers that are counted in the log."""
    return Panel(title=title, about=about, queries=(query,), source=Source.LOKI, width=width)


def _queries(given: Sequence[Query | str]) -> Sequence[Query]:
    return tuple(one if isinstance(one, Query) else Query(expression=one) for one in given)
