"""A panel is read from the command line as it is meant, and nothing unclear is guessed."""

from decimal import Decimal

import pytest
from batch_runner.planning.judges import judge_panel
from batch_runner.planning.pair_cost import PairCost, mean_cost
from event_contracts import InvalidLlmConfig, InvalidRequest
from model_manifest import default_model, list_models


def test_without_judges_there_is_no_panel() -> None:
    assert judge_panel((), provider="mock") == ()


def test_judges_without_shares_get_the_same() -> None:
    panel = judge_panel(["mock", "anthropic", "openai"])

    assert [judge.share for judge in panel] == [1 / 3] * 3


def test_a_model_left_out_is_the_providers_default() -> None:
    panel = judge_panel(["mock", "anthropic"])

    assert panel[1].model == default_model("anthropic").id


def test_shares_follow_a_colon() -> None:
    model = list_models(provider="openai")[0].id

    panel = judge_panel(["mock:0.25", f"openai/{model}:.75"])

    assert [(judge.provider, judge.model, judge.share) for judge in panel][1] == ("openai", model, 0.75)
    assert panel[0].share == 0.25


def test_a_colon_that_is_not_followed_by_a_number_belongs_to_the_model() -> None:
    panel = judge_panel(["mock", "openai_compatible/llama3.1:8b"])

    assert panel[1].model == "llama3.1:8b"


@pytest.mark.parametrize(
    ("judges", "reason"),
    [
        (["mock"], "at least two"),
        (["mock:0.5", "anthropic"], "to every judge of a panel, or to none"),
        (["mock:0.5", "anthropic:0.6"], "must add up to 1"),
        (["mock:0", "anthropic:1"], "judge_panel"),
        (["mock:nan", "anthropic:1"], "judge_panel"),
        (["mock", "mock"], "duplicate judge"),
        (["mock", "/model"], "write provider/model"),
    ],
)
def test_an_invalid_panel_is_refused_with_what_to_do(judges: list[str], reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        judge_panel(judges)


def test_an_unknown_judge_is_refused() -> None:
    with pytest.raises(InvalidLlmConfig, match="nobody"):
        judge_panel(["mock", "anthropic/nobody"])


def test_a_panel_and_another_judge_beside_it_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="not both"):
        judge_panel(["mock", "anthropic"], model="another")


def test_a_panels_comparison_costs_the_mean_of_its_judges_by_share() -> None:
    cheap, dear = (PairCost(low=Decimal(x), likely=Decimal(2 * x), high=Decimal(3 * x)) for x in (1, 9))

    mean = mean_cost([(cheap, 0.75), (dear, 0.25)])

    assert mean == PairCost(low=Decimal(3), likely=Decimal(6), high=Decimal(9))


def test_a_panel_with_a_judge_of_unknown_price_has_none() -> None:
    known = PairCost(low=Decimal(1), likely=Decimal(1), high=Decimal(1))

    assert mean_cost([(known, 0.5), (None, 0.5)]) is None
