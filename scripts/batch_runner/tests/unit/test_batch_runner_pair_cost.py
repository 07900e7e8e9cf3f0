"""What a comparison will probably cost."""

from datetime import date
from decimal import Decimal

import pytest
from batch_runner.planning.pair_cost import PairCost, PromptSize, pair_cost
from batch_runner.tests.building import assignment
from event_contracts import LLMProvider, ReasoningEffort
from model_manifest import Model, default_model, list_models

SIZE = PromptSize.of_words(300)


def a_priced_model() -> Model:
    return next(m for m in list_models(provider="anthropic") if pair_cost(m, SIZE) is not None)


def cost_of(model: Model, size: PromptSize = SIZE) -> PairCost:
    cost = pair_cost(model, size)
    assert cost is not None
    return cost


def test_the_likely_cost_lies_between_the_two_others() -> None:
    cost = cost_of(a_priced_model())

    assert 0 < cost.low < cost.likely < cost.high


def test_longer_essays_cost_more() -> None:
    model = a_priced_model()

    assert cost_of(model, PromptSize.of_words(900)).likely > cost_of(model).likely


def test_a_model_that_reasons_unasked_costs_more_than_the_same_that_does_not() -> None:
    model = a_priced_model()
    silent = model.model_copy(update={"default_effort": None})
    thoughtful = model.model_copy(update={"default_effort": ReasoningEffort.MEDIUM})

    assert cost_of(thoughtful).likely > cost_of(silent).likely
    assert cost_of(thoughtful).low == cost_of(silent).low


def test_the_simulated_judge_costs_nothing() -> None:
    cost = cost_of(default_model(LLMProvider.MOCK))

    assert cost.low == cost.likely == cost.high == Decimal(0)


def test_a_model_without_a_known_price_has_no_cost_rather_than_none_at_all() -> None:
    unlisted = a_priced_model().model_copy(update={"id": "nobody-lists-this", "price_id": None})

    assert pair_cost(unlisted, SIZE) is None


def test_every_current_model_has_a_cost_or_none() -> None:
    for model in list_models(today=date.today()):
        cost = pair_cost(model, SIZE)
        assert cost is None or cost.high >= cost.low


def test_the_size_of_a_prompt_is_read_off_the_assignment() -> None:
    task = assignment("a", "b")

    size = PromptSize.of(task)

    assert size.common == 0
    assert size.essay == pytest.approx(len(task.essays[0].text), abs=1)
