"""Every model of the conductor's routes bounds its fields."""

import pytest
from batch_conductor.adapters import batch_metadata, pipelines_file, platform_facts
from event_contracts.tests.walking import bare_types
from pydantic import BaseModel

MODELS = [
    found
    for module in (batch_metadata, pipelines_file, platform_facts)
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, BaseModel) and found.__module__ == module.__name__
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))
def test_no_model_of_the_routes_has_a_field_without_bounds(model: type[BaseModel]) -> None:
    assert list(bare_types(model)) == []
