"""The ready-made endpoints of the documentation are read as they stand."""

from pathlib import Path

import pytest
from model_manifest import TokenCounts, get_model, price, region_of
from model_manifest.endpoints import FILE_VARIABLE
from model_manifest.manifest import manifest, named_endpoint

EXAMPLES = Path(__file__).parents[4] / "documentation" / "how-to" / "endpoints.example.toml"
NAMES = (
    *(
        "openai_eu",
        "azure_openai",
        "azure_claude",
        "bedrock_claude",
        "bedrock_openai",
        "vertex",
        "openrouter_eu",
    ),
    *("mistral", "groq", "deepseek", "xai", "together", "vllm", "ollama", "llama_cpp", "lm_studio"),
)


@pytest.fixture(autouse=True)
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(EXAMPLES))


def test_the_manifest_has_every_endpoint_example() -> None:
    assert tuple(endpoint.name for endpoint in manifest().named) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_an_address_and_a_price(name: str) -> None:
    endpoint = named_endpoint(name)
    assert endpoint is not None
    model = endpoint.models[0]
    named = get_model(name, "any-model" if model.id == "*" else model.id)

    assert endpoint.base_url
    assert price(named, TokenCounts(input=10_000, output=100)).amount is not None
    is_local = name in ("vllm", "ollama", "llama_cpp", "lm_studio")
    assert (region_of(name) == "local") == is_local
