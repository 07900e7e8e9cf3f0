"""Every model of the LLM Provider's routes bounds its fields."""

import pytest
from event_contracts.tests.walking import bare_types
from llm_provider.adapters import http_admin, http_api, http_operations
from pydantic import BaseModel

MANIFEST = "ModelList.models."
"""What the manifest in this repository says of a model: it is never sent."""

MODELS = [
    found
    for module in (
        http_admin,
        http_api,
        http_operations,
    )
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, BaseModel) and found.__module__ == module.__name__
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))
def test_no_model_of_the_routes_has_a_field_without_bounds(model: type[BaseModel]) -> None:
    # The items of a call are looked at one by one, by ComparisonBatchItem.
    assert [
        bare for bare in bare_types(model) if not bare.startswith((MANIFEST, "_Submission.comparisons: any"))
    ] == []
