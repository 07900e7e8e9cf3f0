"""The promises of a live list: every page of every vendor's format is read, or the failure says what it was."""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal

import httpx2
import pytest
from event_contracts import JsonObject, LLMProvider, ReasoningEffort
from model_manifest.tests.vendor_server import (
    KEY,
    VendorServer,
    anthropic_model,
    google_model,
    openai_model,
    openrouter_model,
    vendor_server,
)
from model_manifest.vendor_lists import VENDORS, ListedModel, ListNotRead

BUILDERS: dict[LLMProvider, Callable[[str], JsonObject]] = {
    LLMProvider.ANTHROPIC: anthropic_model,
    LLMProvider.OPENAI: openai_model,
    LLMProvider.GOOGLE: google_model,
    LLMProvider.OPENROUTER: openrouter_model,
}


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with vendor_server() as running:
        yield running


def read(server: VendorServer, provider: LLMProvider, *, key: str = KEY) -> tuple[ListedModel, ...]:
    with httpx2.Client(timeout=5) as client:
        return VENDORS[provider].list_models(client, api_key=key, base_url=server.base_url(provider))


@pytest.mark.parametrize("provider", VENDORS)
def test_every_page_of_a_list_is_read(server: VendorServer, provider: LLMProvider) -> None:
    ids = [f"some-model-{number}" for number in range(5)]
    server.models = [BUILDERS[provider](model_id) for model_id in ids]

    listed = read(server, provider)

    assert [model.id for model in listed] == ids


def test_anthropics_own_words_are_understood(server: VendorServer) -> None:
    server.models = [
        anthropic_model("old", lifecycle="deprecated", retires_at="2026-11-30T08:00:00Z"),
        anthropic_model("new", efforts=["low", "max"], batch=False, max_input_tokens=7, max_tokens=3),
        anthropic_model("gone", lifecycle="retired"),
    ]

    old, new, gone = read(server, LLMProvider.ANTHROPIC)

    assert (old.deprecated, old.retires, gone.retired) == (True, date(2026, 11, 30), True)
    assert (new.context_window, new.output_limit, new.batch_api) == (7, 3, False)
    assert new.efforts == frozenset({ReasoningEffort.LOW})


def test_openais_shutdown_date_is_understood(server: VendorServer) -> None:
    server.models = [openai_model("gpt-4o", shutdown_date="2027-01-14"), openai_model("gpt-6-luna")]

    old, new = read(server, LLMProvider.OPENAI)

    assert (old.deprecated, old.retires) == (True, date(2027, 1, 14))
    assert (new.deprecated, new.retires) == (False, None)


def test_googles_limits_are_understood(server: VendorServer) -> None:
    server.models = [google_model("gemini-3.8-flash", input_token_limit=5, output_token_limit=4)]

    (model,) = read(server, LLMProvider.GOOGLE)

    assert (model.id, model.context_window, model.output_limit) == ("gemini-3.8-flash", 5, 4)


def test_openrouters_prices_per_token_become_prices_per_million(server: VendorServer) -> None:
    server.models = [
        openrouter_model("a/b", prompt="0.00000075", completion="0.00000375", expiration_date="2026-12-31"),
        openrouter_model("openrouter/auto", prompt="-1", completion="-1"),
    ]

    priced, depends = read(server, LLMProvider.OPENROUTER)

    assert (priced.input_price, priced.output_price) == (Decimal("0.75"), Decimal("3.75"))
    assert priced.retires == date(2026, 12, 31)
    assert (depends.input_price, depends.output_price) == (None, None)


@pytest.mark.parametrize("provider", VENDORS)
def test_a_wrong_key_is_said_to_be_one(server: VendorServer, provider: LLMProvider) -> None:
    server.models = [BUILDERS[provider]("some-model")]

    with pytest.raises(ListNotRead, match="answers 401: is the key right") as failure:
        read(server, provider, key="another")

    assert "another" not in failure.value.message


def test_a_server_in_trouble_is_not_an_empty_list(server: VendorServer) -> None:
    server.broken = 503

    with pytest.raises(ListNotRead, match="answers 503"):
        read(server, LLMProvider.OPENAI)


def test_an_empty_list_is_not_believed(server: VendorServer) -> None:
    with pytest.raises(ListNotRead, match="no models at all"):
        read(server, LLMProvider.OPENAI)


def test_an_answer_that_is_not_a_list_of_models_is_refused(server: VendorServer) -> None:
    server.models = [{"name": "no id"}]

    with pytest.raises(ListNotRead, match="not its list of models"):
        read(server, LLMProvider.OPENAI)


def test_an_address_where_nobody_listens_is_named() -> None:
    with (
        httpx2.Client(timeout=5) as client,
        pytest.raises(ListNotRead, match=r"http://127\.0\.0\.1:1 cannot be reached"),
    ):
        VENDORS[LLMProvider.GOOGLE].list_models(client, api_key=KEY, base_url="http://127.0.0.1:1")


def test_the_test_server_speaks_anthropics_format(server: VendorServer) -> None:
    # Imported here, as the other SDKs are: every test process loads this module, and few need them.
    import anthropic

    server.models = [anthropic_model(f"claude-{number}") for number in range(3)]
    client = anthropic.Anthropic(api_key=KEY, base_url=server.base_url(LLMProvider.ANTHROPIC), max_retries=0)

    seen = list(client.models.list())

    assert [model.id for model in seen] == ["claude-0", "claude-1", "claude-2"]
    assert seen[0].capabilities is not None
    assert seen[0].capabilities.effort.medium.supported


def test_the_test_server_speaks_openais_format(server: VendorServer) -> None:
    import openai

    server.models = [openai_model("gpt-4o", shutdown_date="2027-01-14")]
    client = openai.OpenAI(api_key=KEY, base_url=server.base_url(LLMProvider.OPENAI), max_retries=0)

    (seen,) = client.models.list()

    assert (seen.id, seen.shutdown_date) == ("gpt-4o", "2027-01-14")


def test_the_test_server_speaks_googles_format(server: VendorServer) -> None:
    from google import genai
    from google.genai.types import HttpOptions

    server.models = [google_model(f"gemini-{number}") for number in range(3)]
    options = HttpOptions(base_url=server.base_url(LLMProvider.GOOGLE), api_version="v1beta")
    client = genai.Client(api_key=KEY, http_options=options)

    seen = list(client.models.list())

    assert [model.name for model in seen] == ["models/gemini-0", "models/gemini-1", "models/gemini-2"]
    assert seen[0].input_token_limit == 1_048_576
