"""Named endpoints: a file makes providers, and a file that is wrong says where."""

import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from event_contracts import ConfigurationError, InvalidLlmConfig, LLMConfigOverrides, ReasoningEffort
from jsonschema import Draft202012Validator
from model_manifest import TokenCounts, get_model, list_models, list_providers, price, region_of
from model_manifest import validate_llm_overrides as resolve
from model_manifest.endpoint_settings import endpoints_schema
from model_manifest.endpoints import FILE_VARIABLE, with_version, without_version
from model_manifest.manifest import named_endpoint

FILE = """
version = 1

[endpoints.openai_eu]
kind = "openai"
base_url = "https://eu.api.openai.com/v1"
key_variable = "OPENAI_EU_KEY"
region = "eu"
retention = "zero, by agreement"
price_factor = 1.1
models = [{ id = "gpt-6-luna", like = "openai/gpt-6-luna", batch_api = true }]

[endpoints.azure]
kind = "openai"
base_url = "https://school.openai.azure.com/openai/v1/"
key_header = "api-key"
region = "eu"
models = [{ id = "our-deployment", like = "openai/gpt-6-luna" }]

[endpoints.groq]
kind = "openai_chat"
base_url = "https://api.groq.com/openai"
limits = { requests_per_day = 1440, tokens_per_minute = 6000, tokens_per_day = 500_000 }
models = [
    { id = "openai/gpt-oss-120b", default = true },
    { id = "free-one", free = true },
    { id = "listed", price_list = "groq/openai/gpt-oss-120b" },
]

[endpoints.lab]
kind = "openai_chat"
base_url = "http://127.0.0.1:8000"
needs_key = false
models = [{ id = "*", free = true, token_probabilities = true }]
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "endpoints.toml"
    path.write_text(FILE, encoding="utf-8")
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    return path


def wrong(file: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> str:
    """What is said of the file with this change."""
    changed = file.with_name("changed.toml")
    changed.write_text(FILE.replace(old, new), encoding="utf-8")
    monkeypatch.setenv(FILE_VARIABLE, str(changed))
    with pytest.raises(ConfigurationError) as raised:
        list_providers()
    return raised.value.message


@pytest.mark.usefixtures("file")
def test_every_endpoint_is_a_provider_with_its_models() -> None:
    assert {"openai_eu", "azure", "groq", "lab"} < set(list_providers())
    assert [model.id for model in list_models(provider="groq")] == [
        "openai/gpt-oss-120b",
        "free-one",
        "listed",
    ]


@pytest.mark.usefixtures("file")
def test_a_model_like_another_has_its_abilities_and_its_price_times_the_factor() -> None:
    usage, luna = TokenCounts(input=100_000, output=0), get_model("openai_eu", "gpt-6-luna")

    assert luna.reasoning_efforts == get_model("openai", "gpt-6-luna").reasoning_efforts
    assert price(luna, usage).amount == Decimal("0.011")
    assert price(get_model("azure", "our-deployment"), usage).amount == Decimal("0.01")
    assert luna.retention == "zero, by agreement"


@pytest.mark.usefixtures("file")
def test_a_dialects_own_cache_fields_stay_with_its_vendor() -> None:
    assert get_model("openai_eu", "gpt-6-luna").prompt_caching == "breakpoints"
    assert get_model("azure", "our-deployment").prompt_caching == "automatic"


def test_a_host_whose_name_ends_like_the_vendors_is_not_the_vendors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "endpoints.toml"
    path.write_text(FILE.replace("eu.api.openai.com", "evilopenai.com"), encoding="utf-8")
    monkeypatch.setenv(FILE_VARIABLE, str(path))

    assert get_model("openai_eu", "gpt-6-luna").prompt_caching == "automatic"


@pytest.mark.parametrize(
    ("endpoint", "model", "url", "caching"),
    [
        ("openai_eu", "gpt-6-luna", "https://school.openai.azure.com/openai/v1/", "automatic"),
        ("azure", "our-deployment", "https://api.openai.com/v1", "breakpoints"),
    ],
)
@pytest.mark.usefixtures("file")
def test_whose_host_it_is_is_decided_by_the_url_that_is_called(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, model: str, url: str, caching: str
) -> None:
    monkeypatch.setenv(f"LLM_PROVIDER_ENDPOINT_{endpoint.upper()}_URL", url)

    assert get_model(endpoint, model).prompt_caching == caching


@pytest.mark.usefixtures("file")
def test_a_paid_host_without_a_price_is_unknown_and_free_is_the_operators_word() -> None:
    usage = TokenCounts(input=10, output=10)

    unknown, free = (price(get_model("groq", name), usage) for name in ("openai/gpt-oss-120b", "free-one"))

    assert unknown.amount is None
    assert unknown.warning is not None
    assert free.amount == 0
    assert price(get_model("groq", "listed"), usage).amount
    assert price(get_model("lab", "whatever"), usage).amount == 0


@pytest.mark.usefixtures("file")
def test_a_limit_per_day_and_one_per_minute_bind_as_the_tighter_one() -> None:
    limits = get_model("groq", "free-one").limits

    assert limits.requests_per_minute == 1
    assert limits.tokens_per_minute == pytest.approx(500_000 / 1440)


@pytest.mark.usefixtures("file")
def test_an_undescribed_chat_model_gets_a_reasoning_allowance_and_accepts_every_effort() -> None:
    overrides = LLMConfigOverrides(provider_override="groq", reasoning_effort=ReasoningEffort.LOW)

    asked = resolve(overrides, default_provider="mock")
    plain = resolve(LLMConfigOverrides(provider_override="groq"), default_provider="mock")

    assert asked.max_tokens >= 4_096
    assert plain.max_tokens >= 4_096
    assert asked.reasoning_effort == "low"


@pytest.mark.usefixtures("file")
def test_the_region_is_what_the_file_says_and_unknown_where_it_says_nothing() -> None:
    assert region_of("openai_eu") == "eu"
    assert region_of("openai_eu", url="https://eu.api.openai.com/v1") == "eu"
    assert region_of("groq", url="https://api.groq.com/openai") == "unknown"
    assert region_of("lab") == "local"


@pytest.mark.usefixtures("file")
def test_a_key_is_sought_under_the_name_that_the_file_or_the_endpoint_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    europe, groq = named_endpoint("openai_eu"), named_endpoint("groq")

    assert europe is not None
    assert groq is not None
    assert europe.missing() == "OPENAI_EU_KEY"
    assert groq.missing() == "LLM_PROVIDER_ENDPOINT_GROQ_KEY"
    monkeypatch.setenv("LLM_PROVIDER_ENDPOINT_GROQ_KEY", "gsk")
    monkeypatch.setenv("LLM_PROVIDER_ENDPOINT_GROQ_URL", "http://127.0.0.1:1/v1")
    assert groq.missing() is None
    assert groq.base_url == "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("version = 1", "version = 2", "version"),
        ('kind = "openai"\n', 'kind = "open_ai"\n', "endpoints.openai_eu.kind"),
        ('base_url = "https://eu', 'base_url = "eu', "endpoints.openai_eu.base_url"),
        ('region = "eu"\nret', 'regoin = "eu"\nret', "endpoints.openai_eu.regoin"),
        ("price_factor = 1.1", "price_factor = 0", "endpoints.openai_eu.price_factor"),
        ("openai/gpt-6-luna", "openai/gpt-7", r"endpoints.openai_eu.models.0.like"),
        ("openai/gpt-6-luna", "luna", "endpoints.openai_eu.models.0.like: write provider/model"),
        ("[endpoints.lab]", "[endpoints.openai]", "endpoints.openai: a vendor has this name"),
        ("[endpoints.lab]", "[endpoints.Lab]", "endpoints.Lab"),
        ('{ id = "*", free', '{ id = "*", price = { input = 1, output = 1 }, free', "endpoints.lab.models.0"),
        ('"free-one"', '"openai/gpt-oss-120b"', "endpoints.groq"),
        ("tokens_per_minute = 6000", "tokens_per_minute = 0", "endpoints.groq.limits.tokens_per_minute"),
        ('"free-one", free', '"free-one", batch_api = true, free', "endpoints.groq"),
        ("version = 1", "version = ", "is not TOML"),
    ],
)
def test_a_file_that_is_wrong_says_where(
    file: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, place: str
) -> None:
    assert place in wrong(file, monkeypatch, old, new)


def test_a_file_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "none.toml"))

    with pytest.raises(ConfigurationError, match="cannot be read"):
        list_providers()


def test_no_value_of_the_file_is_repeated_in_an_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = wrong(file, monkeypatch, 'key_variable = "OPENAI_EU_KEY"', 'key_variable = "sk-live-secret"')

    assert "sk-live-secret" not in said


@pytest.mark.usefixtures("file")
def test_a_model_that_an_endpoint_does_not_list_is_refused() -> None:
    with pytest.raises(InvalidLlmConfig, match="use one of"):
        get_model("groq", "another")


def test_the_schema_takes_what_the_service_takes() -> None:
    Draft202012Validator(endpoints_schema()).validate(tomllib.loads(FILE))


@pytest.mark.parametrize(
    ("given", "without", "with_one"),
    [
        ("https://h.se", "https://h.se", "https://h.se/v1"),
        ("https://h.se/v1/", "https://h.se", "https://h.se/v1"),
        ("https://h.se/openai", "https://h.se/openai", "https://h.se/openai/v1"),
        ("https://h.se/api/paas/v4", "https://h.se/api/paas", "https://h.se/api/paas/v4"),
        ("https://h.se/v1beta/openai", "https://h.se/v1beta/openai", "https://h.se/v1beta/openai"),
    ],
)
def test_an_address_is_taken_with_or_without_its_version(given: str, without: str, with_one: str) -> None:
    assert without_version(given) == without
    assert with_version(given) == with_one
