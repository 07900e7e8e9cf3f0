"""Named endpoints: what goes out to each kind, with which headers, and what comes of the answer."""

import json
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from event_contracts import JsonObject, LLMConfigOverrides
from jsonschema import Draft202012Validator
from llm_provider.adapters.catalogue import ManifestCatalogue
from llm_provider.adapters.named_endpoints import connect_endpoint, endpoint_access
from llm_provider.adapters.vendor_api.answer_schema import PORTABLE_SCHEMA
from llm_provider.adapters.vendor_api.registration import ConnectedVendor
from llm_provider.domain.calls.errors import KeyRejected
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.requests.prompt import digest
from llm_provider.ports import JudgeCall
from llm_provider.tests.vendors.bodies import NOWHERE, KeyPath, at
from llm_provider.tests.vendors.calling import PROMPT, plain_client
from llm_provider.tests.vendors.fake_vendors import KEY, Failure, FakeVendors, Received, always, fake_vendors
from llm_provider.tests.vendors.published_types import REQUESTS
from model_manifest.endpoints import FILE_VARIABLE
from model_manifest.manifest import named_endpoint

DIALECT: Final[Mapping[str, str]] = {
    "openai": "openai",
    "openai_chat": "openai_compatible",
    "anthropic": "anthropic",
    "google": "google",
    "openrouter": "openrouter",
}
LIKE: Final[Mapping[str, str]] = {
    "openai": 'like = "openai/gpt-6-luna"',
    "anthropic": 'like = "anthropic/claude-haiku-5-5"',
    "google": 'like = "google/gemini-3.8-flash"',
    "openrouter": 'like = "openrouter/anthropic/claude-haiku-5.5"',
    "openai_chat": "price = { input = 1, output = 2 }",
}
KINDS: Final = tuple(DIALECT)


@asynccontextmanager
async def endpoint_at_a_fake_vendor(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    kind: str,
    *,
    lines: str = "",
    model: str = "",
    path: str | None = None,
) -> AsyncIterator[tuple[ConnectedVendor, FakeVendors, JudgeCall]]:
    """A connected endpoint called ``ours``, whom it calls, and a call of its default model."""
    async with fake_vendors() as vendors, plain_client() as client:
        url = vendors.url(DIALECT[kind]) if path is None else vendors.address + path
        entry = f'{{ id = "our-model", {model or LIKE[kind]} }}'
        file = folder / f"{kind}{abs(hash((url, lines, model)))}.toml"
        file.write_text(
            f'[endpoints.ours]\nkind = "{kind}"\nbase_url = "{url}"\n{lines}\nmodels = [{entry}]\n', "utf-8"
        )
        monkeypatch.setenv(FILE_VARIABLE, str(file))
        monkeypatch.setenv("LLM_PROVIDER_ENDPOINT_OURS_KEY", KEY)
        endpoint = named_endpoint("ours")
        assert endpoint is not None
        connected = connect_endpoint(endpoint, client)
        assert connected is not None
        yield connected, vendors, call_of(connected)


def catalogue_of(connected: ConnectedVendor) -> ManifestCatalogue:
    return ManifestCatalogue(default_provider="ours", vendors={"ours": connected}, needs={}, own_limits={})


def call_of(connected: ConnectedVendor, **overrides: object) -> JudgeCall:
    asked = LLMConfigOverrides.model_validate({"provider_override": "ours", **overrides})
    parameters = catalogue_of(connected).resolve(asked)
    return JudgeCall(
        prompt=PROMPT, prompt_sha256=digest(PROMPT, parameters), parameters=parameters, sample=0, attempt=1
    )


def last(vendors: FakeVendors) -> Received:
    return vendors.received[-1]


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_is_sent_a_body_that_its_published_type_accepts(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with endpoint_at_a_fake_vendor(monkeypatch, tmp_path, kind) as (ours, vendors, call):
        reply = await ours.judge.judge(call)

        REQUESTS[DIALECT[kind]](last(vendors).body)
        Draft202012Validator.check_schema(PORTABLE_SCHEMA)
        assert "maxLength" not in json.dumps(last(vendors).body)
        assert reply.usage.is_known


@pytest.mark.parametrize("kind", KINDS)
async def test_only_its_own_vendor_is_sent_the_fields_that_a_vendor_has_for_itself(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with endpoint_at_a_fake_vendor(monkeypatch, tmp_path, kind) as (ours, vendors, call):
        await ours.judge.judge(call)

        sent = json.dumps(last(vendors).body)
        assert "prompt_cache" not in sent
        if kind == "google":
            assert at(last(vendors).body, ("store",)) is NOWHERE


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("openai", "/openai/v1/"),
        ("openai", "/openai"),
        ("anthropic", "/anthropic/v1"),
        ("anthropic", "/anthropic"),
        ("google", "/google/v1"),
        ("google", "/google"),
        ("openai_chat", "/openai_compatible"),
        ("openai_chat", "/openai_compatible/v1/"),
        ("openrouter", "/openrouter/api"),
        ("openrouter", "/openrouter/api/v1"),
    ],
)
async def test_an_address_works_with_and_without_its_version(
    kind: str, path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with endpoint_at_a_fake_vendor(monkeypatch, tmp_path, kind, path=path) as (ours, vendors, call):
        await ours.judge.judge(call)

        assert len(vendors.received) == 1


@pytest.mark.parametrize(
    ("kind", "lines", "header", "value"),
    [
        ("openai_chat", 'key_header = "api-key"', "api-key", KEY),
        ("openai", "", "authorization", f"Bearer {KEY}"),
        ("anthropic", "", "x-api-key", KEY),
        ("anthropic", 'key_header = "authorization"', "authorization", f"Bearer {KEY}"),
        ("anthropic", "", "anthropic-version", "2023-06-01"),
        (
            "anthropic",
            'headers = { "anthropic-version" = "2026-10-21" }',
            "anthropic-version",
            "2026-10-21",
        ),
        ("openai_chat", 'headers = { "x-team" = "school" }', "x-team", "school"),
        ("openai_chat", 'header_variables = { "x-secret" = "TEAM_SECRET" }', "x-secret", "s3cret"),
    ],
)
async def test_the_key_and_further_headers_go_where_the_file_says(
    kind: str, lines: str, header: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TEAM_SECRET", "s3cret")
    opened = endpoint_at_a_fake_vendor(monkeypatch, tmp_path, kind, lines=lines)
    async with opened as (ours, vendors, call):
        await ours.judge.judge(call)

        assert last(vendors).headers[header] == value


@pytest.mark.parametrize(
    ("field", "other"), [("max_completion_tokens", "max_tokens"), ("max_tokens", "max_completion_tokens")]
)
async def test_the_longest_answer_is_told_as_the_endpoint_wants_it(
    field: str, other: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = f'tokens_field = "{field}"'
    opened = endpoint_at_a_fake_vendor(monkeypatch, tmp_path, "openai_chat", lines=lines)
    async with opened as (ours, vendors, call):
        await ours.judge.judge(call)

        room = at(last(vendors).body, (field,))
        assert isinstance(room, int)
        assert room >= 4_096
        assert at(last(vendors).body, (other,)) is NOWHERE


@pytest.mark.parametrize("effort", ["none", "low", "medium", "high"])
async def test_reasoning_efforts_reach_a_chat_endpoint(
    effort: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with endpoint_at_a_fake_vendor(monkeypatch, tmp_path, "openai_chat") as (ours, vendors, _):
        await ours.judge.judge(call_of(ours, reasoning_effort=effort))

        assert at(last(vendors).body, ("reasoning_effort",)) == effort


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("openai", {("include",): ["message.output_text.logprobs"], ("top_logprobs",): 20}),
        ("openai_chat", {("logprobs",): True, ("top_logprobs",): 20}),
    ],
)
async def test_token_probabilities_are_asked_for_where_the_model_gives_them(
    kind: str, asked: Mapping[KeyPath, object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = f"{LIKE[kind]}, token_probabilities = true"
    opened = endpoint_at_a_fake_vendor(monkeypatch, tmp_path, kind, model=model)
    async with opened as (ours, vendors, _):
        await ours.judge.judge(call_of(ours, reasoning_effort="none"))
        unreasoned = last(vendors).body
        await ours.judge.judge(call_of(ours, reasoning_effort="low"))
        reasoned = last(vendors).body

    REQUESTS[DIALECT[kind]](unreasoned)
    for place, value in asked.items():
        assert at(unreasoned, place) == value
        assert at(reasoned, place) is NOWHERE


async def test_a_call_costs_what_the_file_says_and_unknown_where_it_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = Usage(input=1_000_000, output=0)
    costs = []
    for model in ("price = { input = 1, output = 2 }", 'name = "no price"', "free = true"):
        opened = endpoint_at_a_fake_vendor(
            monkeypatch, tmp_path, "openai_chat", model=model, lines="price_factor = 1.1"
        )
        async with opened as (ours, _, call):
            model_id = call.parameters.model
            costs.append(
                catalogue_of(ours).cost(
                    provider="ours", model=model_id, usage=usage, at=datetime(2026, 11, 27, tzinfo=UTC)
                )
            )

    assert [str(cost.usd) for cost in costs] == ["1.1", "None", "0"]


async def test_an_error_names_the_endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with endpoint_at_a_fake_vendor(monkeypatch, tmp_path, "openai_chat") as (ours, vendors, call):
        vendors.scenario = always(Failure(status=401))
        with pytest.raises(KeyRejected, match=r"^ours does not accept the key"):
            await ours.judge.judge(call)


@pytest.fixture
def google_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[JsonObject]]:
    """A service account whose token server is this machine's; the list holds what that was asked."""
    asked: list[JsonObject] = []

    class TokenServer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append({"path": self.path})
            # Within the library's own margin: each use has to renew it.
            body = json.dumps({"access_token": f"token-{len(asked)}", "expires_in": 60}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), TokenServer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = tmp_path / "account.json"
    account.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "school",
                "private_key": private.decode(),
                "client_email": "judge@school.iam.gserviceaccount.com",
                "token_uri": f"http://127.0.0.1:{server.server_port}/token",
            }
        )
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


async def test_googles_tokens_are_fetched_and_renewed(
    google_account: list[JsonObject], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = endpoint_at_a_fake_vendor(monkeypatch, tmp_path, "openai_chat", lines='token = "google"')
    async with opened as (ours, _, call):
        endpoint = named_endpoint("ours")
        assert endpoint is not None
        token = endpoint_access(endpoint).token
        assert token is not None
        with pytest.raises(KeyRejected):  # the fake vendor knows its own key alone
            await ours.judge.judge(call)

        assert [await token(), await token()] == ["token-2", "token-3"]
        assert len(google_account) == 3
