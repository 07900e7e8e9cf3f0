"""The simulated judge of the LLM Provider and those of the measurement agree on what judges say."""

import cj_measurement.simulated_judges
import llm_provider.adapters.vendors.simulated.judge


def test_margins_are_stated_as_often_by_the_simulated_judge_as_in_simulations() -> None:
    stated = llm_provider.adapters.vendors.simulated.judge.MARGIN_SHARES

    assert stated == cj_measurement.simulated_judges.MARGIN_SHARES
