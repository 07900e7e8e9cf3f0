"""The measurement and the contract may not import each other: this test keeps their words the same."""

import cj_measurement
import event_contracts
import pytest


@pytest.mark.parametrize("name", ["GateStatus", "ConfidenceLabel"])
def test_the_measurement_and_the_contract_have_the_same_words(name: str) -> None:
    measured, published = getattr(cj_measurement, name), getattr(event_contracts, name)

    assert {word.name: word.value for word in measured} == {word.name: word.value for word in published}


def test_every_reason_of_the_stop_rule_is_one_of_the_contract() -> None:
    published = {reason.name: reason.value for reason in event_contracts.StopReason}

    rule = {reason.name: reason.value for reason in cj_measurement.StopReason}

    assert rule.items() <= published.items()
    assert published.keys() - rule.keys() == {"EXHAUSTED", "CANCELLED", "FAILED"}
