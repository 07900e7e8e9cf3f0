"""The replaying judge: it answers with decisions that were made before, recorded pair by pair.

The file has one JSON object per line: ``{"a": sha256, "b": sha256, "winner": "a" | "b"}``, the hashes as
``event_contracts.judging.text_sha256`` makes them. A line may also have what the judge stated: ``margin``,
``confidence`` and ``justification``. A pair may be recorded many times, in either order.

With ``"in_order": true`` a decision is for the pair in this order alone, as judgements of a run are: the n-th time
that it is asked it gets the n-th of them. Other decisions are for both orders: the n-th time that a pair is asked it
gets the n-th, in an order that a hash of the pair fixes. After the last one they begin again.
"""

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from event_contracts import LABEL_A, LABEL_B, ConfigurationError, JsonObject, read_fenced_pair, text_sha256
from event_contracts.judging import MARGINS

from llm_provider.domain.calls.errors import RequestRejected
from llm_provider.domain.costs.usage import Usage
from llm_provider.ports import JudgeCall, JudgeReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whose hash won, and what the judge stated besides."""

    winner: str
    stated: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """Decisions by the two hashes in alphabetical order, and those for one order alone by slot A and slot B."""

    of_pair: Mapping[tuple[str, str], Sequence[Decision]]
    in_order: Mapping[tuple[str, str], Sequence[Decision]]


class ReplayJudge:
    """Implements ``ports.Judge``; a pair without a record is refused."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    async def judge(self, call: JudgeCall) -> JudgeReply:
        try:
            first, second = (text_sha256(text) for text in read_fenced_pair(call.prompt.user))
        except ValueError as error:
            raise RequestRejected(f"the replaying judge cannot find two essays: {error}") from error
        decision, times = self._decided(call, first, second)
        answer = {
            "winner": LABEL_A if decision.winner == first else LABEL_B,
            "justification": f"recorded decision, one of {times} on this pair",
            "confidence": 3,
            **decision.stated,
        }
        return JudgeReply(text=json.dumps(answer), model=call.parameters.model, usage=Usage())

    def _decided(self, call: JudgeCall, first: str, second: str) -> tuple[Decision, int]:
        in_order = self._decisions.in_order.get((first, second))
        if in_order:
            return in_order[call.sample % len(in_order)], len(in_order)
        recorded = self._decisions.of_pair.get(_pair(first, second))
        if not recorded:
            raise RequestRejected("no decision on this pair is on record")
        turn = _turn(call, first, second) % len(recorded)
        return _shuffled(recorded, first, second)[turn], len(recorded)


def read_decisions(path: Path) -> Decisions:
    """Read a file of decisions; raises ``ConfigurationError`` that names the line."""
    of_pair: dict[tuple[str, str], list[Decision]] = defaultdict(list)
    in_order: dict[tuple[str, str], list[Decision]] = defaultdict(list)
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            pair = (row["a"], row["b"])
            if row.get("in_order"):
                in_order[pair].append(_decision(row))
            else:
                of_pair[_pair(*pair)].append(_decision(row))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ConfigurationError(f"{path}, line {number}: not a decision: {error!r}") from error
    return Decisions(of_pair=dict(of_pair), in_order=dict(in_order))


def _decision(row: JsonObject) -> Decision:
    stated = {name: row[name] for name in ("justification", "confidence") if row.get(name) is not None}
    margin = row.get("margin")
    if isinstance(margin, int) and 1 <= margin <= len(MARGINS):
        stated["margin"] = MARGINS[margin - 1]
    return Decision(winner=str(row[str(row["winner"])]), stated=stated)


def _pair(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first < second else (second, first)


def _shuffled(recorded: Sequence[Decision], first: str, second: str) -> list[Decision]:
    order = list(recorded)
    random.Random(hashlib.sha256("".join(_pair(first, second)).encode()).digest()).shuffle(order)
    return order


def _turn(call: JudgeCall, first: str, second: str) -> int:
    """Both orders of a pair walk through one list: the second order starts behind the first."""
    return 2 * call.sample + (first > second)
