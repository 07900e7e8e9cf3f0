"""Batches that are played to their end without a database: a judge answers, a decision is asked for after each."""

import hashlib
import math
import random
from collections.abc import Callable
from dataclasses import replace

from cj_assessment.domain.batch import Essay
from cj_assessment.domain.comparison import Asked
from cj_assessment.domain.deciding import Decision, Fail, Finish, JudgeMore, Snapshot, decide
from cj_assessment.domain.measuring import StartingValues
from cj_assessment.tests.building import asked, snapshot
from event_contracts import ComparisonState

JUDGED, FAILED, PENDING, SUBMITTED = (
    ComparisonState.JUDGED,
    ComparisonState.FAILED,
    ComparisonState.PENDING,
    ComparisonState.SUBMITTED,
)
Judgement = Callable[[Asked], Asked]


def luck(pair: Asked, salt: str = "") -> float:
    """A number from 0 to 1 that depends on the pair alone, not on when it is judged."""
    digest = hashlib.sha256(f"{salt}{pair.slot_a}:{pair.slot_b}:{pair.round}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def sharp_judge(pair: Asked) -> Asked:
    """Prefers the lower item, the more surely the further apart."""
    chance = 1 / (1 + math.exp(0.5 * (pair.slot_a - pair.slot_b)))
    return pair._replace(state=JUDGED, a_won=luck(pair) < chance, judge="mock/simulated")


def failing(share: float, error_code: str = "LLM_PROVIDER_API_ERROR") -> Judgement:
    """A judge who fails on a share of the pairs."""

    def judge(pair: Asked) -> Asked:
        if luck(pair, "fail") < share:
            return pair._replace(state=FAILED, error_code=error_code)
        return sharp_judge(pair)

    return judge


def refusing(*items: int) -> Judgement:
    """A judge who refuses every pair with one of these essays."""

    def judge(pair: Asked) -> Asked:
        if pair.slot_a in items or pair.slot_b in items:
            return pair._replace(state=FAILED, error_code="LLM_INVALID_RESPONSE")
        return sharp_judge(pair)

    return judge


class PlayedBatch:
    """A batch played to its end: answers arrive in any order, a decision is asked for whenever one came."""

    def __init__(self, essays: tuple[Essay, ...], judge: Judgement, *, order: int, **limits: object) -> None:
        self.essays, self.judge, self.limits = essays, judge, limits
        self.asked: list[Asked] = []
        self.order = random.Random(order)
        self.last_round = 0
        self.most_open = 0
        self.start: StartingValues | None = None

    def known(self) -> Snapshot:
        now = snapshot(self.essays, self.asked, last_round=self.last_round, **self.limits)  # type: ignore[arg-type]  # the builder's own keywords
        return replace(now, start=self.start)

    def look(self) -> Decision:
        return decide(self.known())

    def play(self, *, looks: int = 20_000) -> Finish | Fail:
        for _ in range(looks):
            decision = self.look()
            if isinstance(decision, Finish | Fail):
                return decision
            self.take(decision)
        raise AssertionError("the batch does not end")

    def take(self, decision: Decision) -> None:
        if not isinstance(decision, JudgeMore):
            self.answer_one()
            return
        self.last_round += 1
        if decision.measured is not None:
            self.start = StartingValues(theta=decision.measured.theta, tau=decision.measured.tau)
        self.asked += [
            asked(pair.slot_a, pair.slot_b, PENDING, number=self.last_round, assigned=pair.assigned)
            for pair in decision.pairs
        ]
        self.most_open = max(self.most_open, len(self.open()))

    def open(self) -> list[int]:
        return [place for place, pair in enumerate(self.asked) if pair.state == PENDING]

    def answer_one(self) -> None:
        place = self.order.choice(self.open())
        self.asked[place] = self.judge(self.asked[place])
