"""What the LLM Provider's routes answer to input that cannot be kept or handled: never a 5xx, never an echo."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from event_contracts import MAX_COMPARISONS_PER_SUBMISSION
from llm_provider.assembly import assemble
from llm_provider.tests.building import comparison, json_body
from llm_provider.tests.serving import settings_for
from pydantic import SecretStr
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.tests.fuzzing import fuzz
from service_kit.tests.live import MAX_LAG_SECONDS, Live, live
from service_kit.tests.malformed import DEEP, JSON, STRANGE_IDS, Malformed, assert_documented, changed
from service_kit.tests.tokens import SHARED_SECRET, bearer, signed_with_secret

ONE, MANY, COSTS = "/api/v1/comparison", "/api/v1/comparisons", "/api/v1/costs"
PAUSE = "/admin/v1/providers/mock/pause"
BODY: dict[str, Any] = dict(json_body(comparison()))
OUTSIDE = (
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00",
    "9999-06-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
)
BROKEN_TEXTS = {"NUL": "a\x00b", "surrogate": "\ud800"}
LONG_IDS = {"empty": "", "300": "x" * 300, "3,000": "x" * 3_000, "line end": "a\n", **BROKEN_TEXTS}


@pytest.fixture(scope="module")
def service(make_database: Callable[[str], str]) -> Iterator[Live]:
    settings = settings_for(make_database("malformed"), jwt_secret=SecretStr(SHARED_SECRET))
    with live(lambda: assemble(settings, bus=MemoryEventBus())) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Live) -> Iterator[httpx2.Client]:
    with service.client() as client:
        yield client


def ask(what: str, place: str, value: Any) -> Malformed:
    return Malformed(what=what, path=ONE, body=changed(BODY, place, value))


COMPARISONS = (
    *(
        ask(f"{place} {what}", place, value)
        for place in ("user_id", "metadata.bos_batch_id")
        for what, value in LONG_IDS.items()
    ),
    *(
        ask(f"{place} {what}", place, value)
        for place in (
            "user_prompt",
            "prompt_blocks.0.content",
            "llm_config_overrides",
            "metadata.note",
            "callback_topic",
        )
        for what, value in BROKEN_TEXTS.items()
    ),
    *(ask(f"{place} {value}", place, value) for place in ("not_before", "expires_at") for value in OUTSIDE),
    *(
        ask(f"max_cost_usd {value}", "max_cost_usd", value)
        for value in (1e-10, 1e9, 1e18, 1e300, -1, "NaN", "1e9999")
    ),
    *(ask(f"priority {value}", "priority", value) for value in (-1, 10, 2**63, 10**400, 1.5)),
    *(
        ask(f"metadata {what}", "metadata", value)
        for what, value in (
            ("too deep", {"a": DEEP}),
            ("outside 64 bits", {"a": 10**30}),
            ("-64 bits", {"a": -(2**63)}),
            ("too large", {"a": "x" * 100_001}),
            ("many", {"a": [0] * 60_000}),
            ("NUL key", {"\x00": 1}),
            ("an array", []),
        )
    ),
    *(
        ask(f"callback_url {value[:30]}", "callback_url", value)
        for value in (
            "",
            "http://",
            "http://\u2488.example.org/",
            "http://xn--/",
            "http://a..b/",
            f"http://{'a' * 64}.example.org/",
            "http://[::1",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1:x/",
            "http://user@127.0.0.1/",
            "http://169.254.169.254/",
            "x" * 70_000,
        )
    ),
    *(
        ask(f"overrides {key}", "llm_config_overrides", {key: value})
        for key, value in (
            ("max_tokens_override", 2**31),
            ("max_tokens_override", 10**400),
            ("temperature_override", 10**400),
            ("model_override", "x" * 3_000),
            ("model_override", "no such model"),
            ("provider_override", "x" * 255),
            ("provider_override", "\u202e"),
            ("system_prompt_override", "x" * 1_000_001),
        )
    ),
    ask("no blocks", "prompt_blocks", []),
    ask("too many blocks", "prompt_blocks", [{"target": "system", "content": "x"}] * 101),
    ask("a prompt without end", "user_prompt", "x" * 1_000_001),
    *(
        Malformed(what=f"key {what}", path=ONE, body=BODY, headers={"Idempotency-Key": value})
        for what, value in (
            ("empty", ""),
            ("256", "x" * 256),
            ("8,000", "x" * 8_000),
            ("Latin-1", b"\x80\x9f"),
        )
    ),
    Malformed(what="not JSON", path=ONE, body=b"{", headers=JSON),
    Malformed(what="no type", path=ONE, body=json.dumps(BODY).encode()),
    Malformed(what="a lone surrogate", path=ONE, body=b'{"user_prompt": "\\udc00"}', headers=JSON),
    Malformed(what="100,000 brackets", path=ONE, body=b"[" * 100_000, headers=JSON),
    Malformed(what="9 MB", path=ONE, body=b" " * 9_000_000, headers=JSON, status=413),
)

CALLS = (
    *(
        Malformed(what=f"comparisons {what}", path=MANY, body={"comparisons": value})
        for what, value in (
            ("none", []),
            ("501", [BODY] * (MAX_COMPARISONS_PER_SUBMISSION + 1)),
            ("text", "x"),
            ("an object", {}),
            ("null", None),
        )
    ),
    Malformed(what="an array", path=MANY, body=[BODY]),
    Malformed(what="not JSON", path=MANY, body=b'{"comparisons": [', headers=JSON),
    Malformed(what="17 MB", path=MANY, body=b" " * 17_000_000, headers=JSON, status=413),
)

READS = (
    *(
        Malformed(what=what, method=method, path=f"/api/v1/requests/{value}{tail}", status=404)
        for what, value in {**STRANGE_IDS, "no UUID": "7"}.items()
        for method, tail in (("GET", ""), ("POST", "/cancel"))
    ),
    Malformed(what="unknown", method="GET", path=f"/api/v1/requests/{UUID(int=7)}", status=404),
    *(
        Malformed(what=f"{query[:40]}", method="GET", path=f"{COSTS}?{query}")
        for query in (
            "by=x",
            "by=",
            "since=0000-01-01",
            "since=10000-01-01",
            "since=99999999999999999999",
            "until=x",
            "until=%00",
            "user_id=%00",
            "user_id=",
            f"batch_id={'x' * 300}",
            f"provider={'x' * 30_000}",
        )
    ),
    *(
        Malformed(what=query[:40], method="GET", path=f"/api/v1/models?{query}")
        for query in (
            "include_deprecated=maybe",
            "provider=%00",
            f"provider={'x' * 30_000}",
            "provider=unknown",
        )
    ),
)

ADMIN = bearer(signed_with_secret())
ADMINISTRATION = (
    *(
        Malformed(
            what=f"token {what}",
            path=PAUSE,
            body={"reason": "x"},
            headers={"Authorization": value},
            status=401,
        )
        for what, value in (
            ("empty", ""),
            ("no scheme", "x"),
            ("no token", "Bearer"),
            ("dots", "Bearer ..."),
            ("no JWT", "Bearer a.b.c"),
            ("Latin-1", b"Bearer \xff.\xfe.\xfd"),
            ("long", "Bearer " + "x" * 20_000),
            ("broken JSON", "Bearer eyJ.eyJ.x"),
            ("deep JSON", "Bearer W1tbW1tbW1tbW1tb.e30.x"),
        )
    ),
    *(
        Malformed(what=f"reason {what}", path=PAUSE, body={"reason": value}, headers=ADMIN)
        for what, value in (("empty", ""), ("501", "x" * 501), ("number", 7), *BROKEN_TEXTS.items())
    ),
    *(
        Malformed(
            what=what, path=f"/admin/v1/providers/{value}/resume", headers=ADMIN, body={}, status=(404, 422)
        )
        for what, value in {**STRANGE_IDS, "unknown": "unknown"}.items()
    ),
)


@pytest.mark.parametrize("case", [*COMPARISONS, *CALLS, *READS, *ADMINISTRATION], ids=str)
def test_what_cannot_be_kept_or_handled_is_refused(client: httpx2.Client, case: Malformed) -> None:
    assert_documented(case, case.send(client))


def test_a_wrong_comparison_is_answered_for_itself_and_the_others_are_queued(client: httpx2.Client) -> None:
    wrong = [case.body for case in COMPARISONS if isinstance(case.body, dict) and not case.headers]
    # Texts that JSON cannot spell keep the whole body from being JSON.
    wrong = [
        body for body in wrong if "\\ud800" not in json.dumps(body) and f'"{DEEP}"' not in json.dumps(body)
    ]
    wrong = [body for body in wrong if len(json.dumps(body)) < 50_000]
    items: list[Any] = [item for body in wrong for item in (body, {**BODY, "correlation_id": str(uuid4())})]
    items += [None, 7, "text", [], {}]

    answer = client.post(MANY, json={"comparisons": items})

    assert answer.status_code == 202, answer.text[:500]
    answers = answer.json()["items"]
    assert len(answers) == len(items)
    for index, item in enumerate(answers):
        is_right = index < 2 * len(wrong) and index % 2 == 1
        assert (item["error"] is None) is is_right, (index, item)
        if not is_right:
            assert item["error"]["error_code"] in (
                "VALIDATION_ERROR",
                "LLM_INVALID_CALLBACK_TOPIC",
                "LLM_INVALID_CONFIG",
                "LLM_COST_LIMIT_EXCEEDED",
            )
    assert len(answer.content) < 100_000


def test_the_longest_ids_are_queued(client: httpx2.Client) -> None:
    body = changed(changed(BODY, "user_id", "ü" * 255), "metadata.bos_batch_id", "å" * 255)

    answer = client.post(ONE, json=body, headers={"Idempotency-Key": "k" * 255})

    assert answer.status_code == 202, answer.text
    status = client.get(f"/api/v1/requests/{answer.json()['queue_id']}")
    assert status.json()["status"] == "queued"


FULL_TEXT = "Ett ord, och ännu ett. " * 2_600
HEAVY = (
    Malformed(
        what="15 MB of empty lists",
        path=MANY,
        body=b'{"comparisons":[' + b"[]," * 5_000_000 + b"[]]}",
        headers=JSON,
    ),
    Malformed(
        what="15 MB of quotes", path=MANY, body=b'{"comparisons":["' + b'\\"' * 7_500_000, headers=JSON
    ),
    Malformed(what="30 MB of spaces", path=MANY, body=b" " * 30_000_000, headers=JSON, status=413),
)


@pytest.mark.parametrize("case", HEAVY, ids=str)
def test_no_request_keeps_the_event_loop_busy(service: Live, client: httpx2.Client, case: Malformed) -> None:
    assert service.lag_of(lambda: assert_documented(case, case.send(client))) < MAX_LAG_SECONDS


def test_a_call_of_the_largest_size_keeps_the_event_loop_free(service: Live, client: httpx2.Client) -> None:
    prompt = {
        "user_prompt": FULL_TEXT * 2,
        "prompt_blocks": [{"target": "user_content", "content": FULL_TEXT}] * 2,
    }
    items = [{**BODY, **prompt, "correlation_id": str(uuid4())} for _ in range(55)]
    content = json.dumps({"comparisons": items}, ensure_ascii=False).encode()

    def send() -> None:
        answer = client.post(MANY, content=content, headers=JSON)
        assert answer.status_code == 202, answer.text[:500]

    assert len(content) > 12_000_000
    assert service.lag_of(send) < MAX_LAG_SECONDS


def test_schemathesis_finds_no_5xx_and_no_answer_but_the_documented_ones(service: Live) -> None:
    statuses = fuzz(service)

    assert sum(statuses.values()) >= 5, statuses
