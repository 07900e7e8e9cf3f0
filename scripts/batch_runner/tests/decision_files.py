"""Files of decisions as tests write and read them."""

from pathlib import Path

from batch_runner.decisions.from_file import Decisions, Ties, read_decisions

Won = tuple[str, str]


def read(
    folder: Path,
    text: str,
    *,
    columns: tuple[str, ...] = (),
    coding: tuple[str, ...] = (),
    ties: Ties = "drop",
    encoding: str = "utf-8",
) -> Decisions:
    """The decisions of a file with this text."""
    path = folder / "decisions.csv"
    path.write_bytes(text.encode(encoding))
    return read_decisions(path, columns=columns, coding=coding, ties=ties)


def winners_and_losers(decisions: Decisions) -> list[Won]:
    """The names of the winner and the loser of each decision."""
    data, name = decisions.comparisons, decisions.items
    return [(name[w], name[loser]) for w, loser in zip(data.winners, data.losers, strict=True)]


EXPECTED = [("anna", "bo"), ("cia", "bo"), ("anna", "cia")]
