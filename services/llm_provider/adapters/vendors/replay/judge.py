"""The replaying judge: it answers with decisions that people made, recorded pair by pair.

The file has one JSON object a line: ``{"a": sha256, "b": sha256, "winner": "a" | "b"}``, the hashes as
``event_contracts.judging.text_sha256`` makes them. A pair may be recorded many times, in either order. The n-th
time that a pair is asked it gets the n-th of its decisions, in an order that a hash of the pair fixes; after the
last one they begin again.
"""

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from event_contracts import ConfigurationError
from event_contracts.judging import LABEL_A, LABEL_B, read_fenced_pair, text_sha256

from llm_provider.domain.calls.errors import RequestRejected
from llm_provider.domain.costs.usage import Usage
from llm_provider.ports import JudgeCall, JudgeReply

Decisions = Mapping[tuple[str, str], Sequence[str]]
"""For each pair of hashes, in their alphabetical order, the hashes of the winners."""


class ReplayJudge:
    """Implements ``ports.Judge``; a pair without a record is refused."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    async def judge(self, call: JudgeCall) -> JudgeReply:
        try:
            first, second = (text_sha256(text) for text in read_fenced_pair(call.prompt.user))
        except ValueError as error:
            raise RequestRejected(f"the replaying judge cannot find two essays: {error}") from error
        recorded = self._decisions.get(_pair(first, second))
        if not recorded:
            raise RequestRejected("no decision on this pair is on record")
        winner = _shuffled(recorded, first, second)[_turn(call, first, second) % len(recorded)]
        answer = {
            "winner": LABEL_A if winner == first else LABEL_B,
            "justification": f"recorded decision, one of {len(recorded)} on this pair",
            "confidence": 3,
        }
        return JudgeReply(text=json.dumps(answer), model=call.parameters.model, usage=Usage())


def read_decisions(path: Path) -> Decisions:
    """Read a file of decisions; raises ``ConfigurationError`` that names the line."""
    decisions: dict[tuple[str, str], list[str]] = defaultdict(list)
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            decisions[_pair(row["a"], row["b"])].append(row[row["winner"]])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{path}, line {number}: not a decision: {error!r}") from error
    return {pair: tuple(winners) for pair, winners in decisions.items()}


def _pair(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first < second else (second, first)


def _shuffled(recorded: Sequence[str], first: str, second: str) -> list[str]:
    order = list(recorded)
    random.Random(hashlib.sha256("".join(_pair(first, second)).encode()).digest()).shuffle(order)
    return order


def _turn(call: JudgeCall, first: str, second: str) -> int:
    """Both orders of a pair walk through one list: the second order starts behind the first."""
    return 2 * call.sample + (first > second)
