"""How reliable a ranking is has types, and is written byte for byte as it was before it had them."""

import pytest
from event_contracts import GateStatus, PositionEffect, ReliabilitySummary
from pydantic import ValidationError

MEASURED = (
    '{"eb":0.912,"ssr":0.934,"ssr_prime":null,"split_half":null,"is_inflated":false,"tau":2.5,'
    '"gates":{"reliability":{"status":"passed","value":0.912,"limit":0.9},'
    '"position_bias":{"status":"not_evaluated","value":null,"limit":3.0}},"target":0.9}'
)
NOTHING_MEASURED = '{"eb":null,"ssr":null,"target":0.9}'
FROM_LATER = '{"eb":0.9,"target":0.9,"kappa":{"of":["judges"],"value":1}}'


@pytest.mark.parametrize("written", [MEASURED, NOTHING_MEASURED, FROM_LATER, "{}"])
def test_a_reliability_is_written_as_it_was_read(written: str) -> None:
    assert ReliabilitySummary.model_validate_json(written).model_dump_json() == written


@pytest.mark.parametrize(
    "written",
    ['{"b":0.11,"se":0.19,"p_first_if_equal":0.527,"comparisons":41}', '{"b":0.11,"se":0.19}', "{}"],
)
def test_a_position_effect_is_written_as_it_was_read(written: str) -> None:
    assert PositionEffect.model_validate_json(written).model_dump_json() == written


def test_a_reliability_is_read_by_name() -> None:
    said = ReliabilitySummary.model_validate_json(MEASURED)

    assert (said.eb, said.is_inflated, said.target) == (0.912, False, 0.9)
    assert said.gates["reliability"].status is GateStatus.PASSED


@pytest.mark.parametrize("wrong", ['{"eb":"0.9"}', '{"is_inflated":1}', '{"gates":[]}', '{"gates":{"g":0}}'])
def test_a_reliability_that_does_not_hold_what_it_should_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        ReliabilitySummary.model_validate_json(wrong)


def test_the_schema_of_what_is_written_has_the_fields_of_what_is_read() -> None:
    written = ReliabilitySummary.model_json_schema(mode="serialization")
    read = ReliabilitySummary.model_json_schema(mode="validation")

    assert written["properties"].keys() == read["properties"].keys()
    assert written["additionalProperties"] is read["additionalProperties"] is True
    assert "required" not in written
    assert "required" not in read
