"""Judged batches for the tests: made up from known abilities, or published."""

import csv
import gzip
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cj_measurement import Comparisons
from cj_measurement.comparisons import FloatArray, IntArray
from scipy.special import expit


@dataclass(frozen=True, eq=False)
class Judged:
    """Comparisons of items whose abilities are known."""

    truth: FloatArray
    comparisons: Comparisons


def judged(
    n_items: int = 40,
    *,
    per_item: int = 10,
    sd: float = 1.5,
    seed: int = 0,
    bias: Sequence[float] = (0.0,),
    sharpness: Sequence[float] = (1.0,),
    truth: FloatArray | None = None,
) -> Judged:
    """Random cycles through all items, so that every item stands as often in slot A as in slot B.

    ``bias`` has b of each judge, ``sharpness`` a (repeated as needed); each comparison falls to one of them.
    """
    generator = np.random.default_rng(seed)
    abilities = generator.normal(0.0, sd, n_items) if truth is None else truth
    cycles = [generator.permutation(n_items) for _ in range(per_item // 2)]
    slot_a = np.concatenate(cycles)
    slot_b = np.concatenate([np.roll(cycle, 1) for cycle in cycles])
    judge = generator.integers(0, len(bias), len(slot_a))
    steepness = np.resize(np.asarray(sharpness, np.float64), len(bias))[judge]
    logit = steepness * (abilities[slot_a] - abilities[slot_b]) + np.asarray(bias)[judge]
    a_won = generator.random(len(slot_a)) < expit(logit)
    return Judged(abilities, Comparisons.of(n_items, slot_a, slot_b, a_won, judge))


@dataclass(frozen=True, eq=False)
class Session:
    """A published session: its decisions, and what was published or recomputed elsewhere.

    ``items`` has theta, se.theta, infit and outfit of each item, ``figures`` those of the session by column. Who
    stood in which slot is not known: the item chosen is in slot A.
    """

    name: str
    comparisons: Comparisons
    self_comparisons: IntArray
    items: Mapping[str, FloatArray]
    figures: Mapping[str, float]


def published_sessions(folder: Path) -> tuple[Session, ...]:
    """All sessions in ``folder``."""
    items: dict[str, list[dict[str, str]]] = defaultdict(list)
    with gzip.open(folder / "expected_items.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            items[row["session"]].append(row)
    with (folder / "expected_sessions.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            _session(folder / "decisions", row, items[row["session"]]) for row in csv.DictReader(file)
        )


def dense_session(folder: Path) -> Session:
    """The session of 14 items and 6,595 decisions in ``folder``; only its SSR was published besides the items."""
    with (folder / "Vatavu2020_items.csv").open(encoding="utf-8", newline="") as file:
        items = list(csv.DictReader(file))
    row = {"session": "Vatavu2020", "pub_mle_rel": ".9853436017554706"}
    return _session(folder / "decisions", row, items)


def _session(folder: Path, row: Mapping[str, str], items: Sequence[Mapping[str, str]]) -> Session:
    place = {item["individual"]: number for number, item in enumerate(items)}
    with (folder / f"{row['session']}.csv").open(encoding="utf-8", newline="") as file:
        decisions = list(csv.DictReader(file))
    won = np.array([place[decision["candidate_chosen"]] for decision in decisions])
    lost = np.array([place[decision["candidate_not_chosen"]] for decision in decisions])
    judges = np.unique([decision["judge"] for decision in decisions], return_inverse=True)[1]
    real = won != lost
    outcome = np.ones(int(real.sum()), np.bool_)
    return Session(
        name=row["session"],
        comparisons=Comparisons.of(len(items), won[real], lost[real], outcome, judges[real]),
        self_comparisons=won[~real],
        items={column: _column(items, column) for column in ("theta", "se.theta", "infit", "outfit")},
        figures={name: float(text) for name, text in row.items() if name[:4] in ("pub_", "our_") and text},
    )


def _column(items: Sequence[Mapping[str, str]], name: str) -> FloatArray:
    return np.array([float(item[name]) for item in items])
