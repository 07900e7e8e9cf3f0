"""The cost of one comparison, estimated from the length of its texts and the judge's price."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

from event_contracts import ReasoningEffort
from model_manifest import Model, TokenCounts, price

from batch_runner.assignment.contents import Assignment

FRAME_CHARACTERS: Final = 1_500
"""The rules, the question and the markers that the suite puts around the texts, and the answer's schema."""
USUAL_COMMON_CHARACTERS: Final = 3_000
"""Instructions, rubric and task, if they are not known: about 500 words."""
CHARACTERS_PER_WORD: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Assumption:
    characters_per_token: float
    answer_tokens: int
    reasoning_tokens: int


# English prose has about 4.5 characters per token, learners' Swedish about 3. An answer holds up to 500 characters.
_LOW: Final = _Assumption(characters_per_token=4.6, answer_tokens=60, reasoning_tokens=0)
_LIKELY: Final = _Assumption(characters_per_token=4.0, answer_tokens=110, reasoning_tokens=300)
_HIGH: Final = _Assumption(characters_per_token=3.0, answer_tokens=180, reasoning_tokens=1_500)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSize:
    """Characters of what all comparisons have in common and of an average essay."""

    common: int
    essay: int

    @classmethod
    def of(cls, assignment: Assignment) -> Self:
        """The size of this assignment's prompts."""
        parts = (assignment.instructions, assignment.rubric, assignment.student_prompt)
        texts: Sequence[str] = assignment.texts
        return cls(
            common=sum(len(part) for part in parts if part is not None),
            essay=sum(map(len, texts)) // len(texts),
        )

    @classmethod
    def of_words(cls, words: int) -> Self:
        """The size of a usual prompt about essays of ``words`` words."""
        return cls(common=USUAL_COMMON_CHARACTERS, essay=words * CHARACTERS_PER_WORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCost:
    """US dollars of one comparison, and its likely range."""

    low: Decimal
    likely: Decimal
    high: Decimal


def pair_cost(model: Model, size: PromptSize, *, batch: bool = False) -> PairCost | None:
    """None where the price, with ``batch`` that of the vendor's batch API, is not known. Prompt caching lowers it."""
    low, likely, high = (
        _amount(model, size, assumption, batch=batch) for assumption in (_LOW, _LIKELY, _HIGH)
    )
    if low is None or likely is None or high is None:
        return None
    return PairCost(low=low, likely=likely, high=high)


def mean_cost(costs: Sequence[tuple[PairCost | None, float]]) -> PairCost | None:
    """The mean cost of a panel's comparisons, each judge's weighted by its share; None where one is not known."""
    low = likely = high = Decimal(0)
    for cost, share in costs:
        if cost is None:
            return None
        low += cost.low * Decimal(share)
        likely += cost.likely * Decimal(share)
        high += cost.high * Decimal(share)
    return PairCost(low=low, likely=likely, high=high)


def likely_usage(model: Model, size: PromptSize) -> TokenCounts:
    """The tokens of one comparison at the likely length."""
    return _usage(model, size, _LIKELY)


def _amount(model: Model, size: PromptSize, assumption: _Assumption, *, batch: bool) -> Decimal | None:
    return price(model, _usage(model, size, assumption), batch=batch).amount


def _usage(model: Model, size: PromptSize, assumption: _Assumption) -> TokenCounts:
    characters = FRAME_CHARACTERS + size.common + 2 * size.essay
    written = assumption.answer_tokens + (assumption.reasoning_tokens if reasons(model) else 0)
    return TokenCounts(input=round(characters / assumption.characters_per_token), output=written)


def reasons(model: Model) -> bool:
    """Whether it reasons before it answers where no effort is set."""
    return model.default_effort not in (None, ReasoningEffort.NONE)
