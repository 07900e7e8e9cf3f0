"""How long a slow judge takes over the sample assignment, by a clock that only the judge's calls move.

What the machine adds (fits, statements, messages) is not in it: that is measured, not promised.
"""

import heapq
import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import suite
from batch_runner.assignment.loading import load_assignment
from cj_assessment.domain.batch import Essay
from cj_assessment.domain.comparison import Asked
from cj_assessment.domain.deciding import Decision, Fail, Finish, JudgeMore, Snapshot, Wait, decide
from cj_assessment.tests.building import NOW, asked, nothing_spent, snapshot
from event_contracts import ComparisonState, StopReason, Winner, grade_scale
from llm_provider.adapters.vendors.simulated.judge import SimulatedJudge, SimulatedSettings, read_qualities
from llm_provider.domain.calls.answer import read_verdict
from llm_provider.settings import Settings
from llm_provider.tests.building import judge_call

SAMPLE = Path(suite.__file__).parent / "sample_assignment"
LATENCY = timedelta(seconds=2)
SPREAD = 0.3
"""Of a simulated call's latency: the standard deviation of its logarithm."""
CONCURRENCY: int = Settings.model_fields["concurrency"].default
ASSIGNMENT = load_assignment(SAMPLE)
SCALE = grade_scale("eng5_np_legacy_9_step")
ESSAYS = tuple(
    Essay(item=item, essay_id=f"e{item}", text_storage_id=f"text-{item}", anchor_grade=grade, text=text)
    for item, (text, grade) in enumerate(
        [
            *((essay.text, None) for essay in ASSIGNMENT.essays),
            *((anchor.text, anchor.grade) for anchor in ASSIGNMENT.anchors),
        ]
    )
)


@dataclass
class TimedBatch:
    """The sample assignment before the simulated judge, each of whose calls takes its time.

    ``calls`` are being made: when each ends, and its place in ``asked``. ``waiting`` are those beyond the concurrency
    of one replica. ``open_when_planned`` counts, for each round, the answers that were missing when it was planned.
    """

    judge: SimulatedJudge
    seed: int
    now: datetime = NOW
    next_look: datetime = NOW
    asked: list[Asked] = field(default_factory=list)
    calls: list[tuple[datetime, int]] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    awaited_round: int = 0
    last_sent: datetime = NOW
    rounds: int = 0
    open_when_planned: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    async def play(self) -> Finish | Fail:
        """Let time pass from answer to answer and from look to look, until the batch has ended."""
        while True:
            decision = decide(self._known())
            if isinstance(decision, Finish | Fail):
                return decision
            self._carry_out(decision)
            while not self._is_due():
                await self._let_time_pass()

    @property
    def took(self) -> timedelta:
        return self.now - NOW

    def _known(self) -> Snapshot:
        spending = replace(nothing_spent(), last_sent_at=self.last_sent, typical_answer=LATENCY)
        known = snapshot(
            ESSAYS,
            tuple(self.asked),
            scale=SCALE,
            spending=spending,
            last_round=self.rounds,
            is_overdue=self.rounds > 0 and self.now >= self.next_look,
            now=self.now,
        )
        return replace(known, seed=self.seed)

    def _carry_out(self, decision: Decision) -> None:
        assert isinstance(decision, Wait | JudgeMore)
        self.next_look = decision.next_check_at
        if isinstance(decision, Wait):
            self.awaited_round = decision.awaited_round
            return
        self.open_when_planned.append(len(self.calls) + len(self.waiting))
        self.awaited_round, self.rounds, self.last_sent = self.rounds, self.rounds + 1, self.now
        for pair in decision.pairs:
            self.waiting.append(len(self.asked))
            sent = asked(pair.slot_a, pair.slot_b, ComparisonState.SUBMITTED, number=self.rounds)
            self.asked.append(sent._replace(chosen_by=pair.chosen_by))
        self._call()

    def _call(self) -> None:
        while self.waiting and len(self.calls) < CONCURRENCY:
            takes = LATENCY * self.chance.lognormvariate(0, SPREAD)
            heapq.heappush(self.calls, (self.now + takes, self.waiting.pop(0)))

    def _is_due(self) -> bool:
        is_open = any(
            pair.state is ComparisonState.SUBMITTED and pair.round <= self.awaited_round
            for pair in self.asked
        )
        return self.now >= self.next_look or not is_open

    async def _let_time_pass(self) -> None:
        if not self.calls or self.next_look < self.calls[0][0]:
            self.now = self.next_look
            return
        self.now, place = heapq.heappop(self.calls)
        pair = self.asked[place]
        call = judge_call(ESSAYS[pair.slot_a].text or "", ESSAYS[pair.slot_b].text or "", sample=self.seed)
        verdict = read_verdict((await self.judge.judge(call)).text)
        self.asked[place] = pair._replace(
            state=ComparisonState.JUDGED,
            a_won=verdict.winner is Winner.ESSAY_A,
            margin=verdict.margin,
            confidence=verdict.confidence,
            judge="mock/simulated",
        )
        self._call()


@pytest.fixture(scope="module")
def judge() -> SimulatedJudge:
    return SimulatedJudge(SimulatedSettings(), qualities=read_qualities(SAMPLE / "hidden_quality.toml"))


@pytest.mark.parametrize("seed", range(8))
async def test_a_judge_that_takes_two_seconds_is_waited_for_less_than_twenty(
    judge: SimulatedJudge, seed: int
) -> None:
    batch = TimedBatch(judge=judge, seed=seed)

    decision = await batch.play()

    assert decision.reason is StopReason.TARGET_REACHED
    assert batch.took < timedelta(seconds=20)
    assert batch.rounds <= 7


async def test_a_round_does_not_wait_for_its_slowest_answer(judge: SimulatedJudge) -> None:
    batch = TimedBatch(judge=judge, seed=1)

    await batch.play()

    assert batch.open_when_planned[3:]
    assert max(batch.open_when_planned[2:]) > 0
