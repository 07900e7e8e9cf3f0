"""A comparison costs three paid calls at most, whatever fails; a reason that would repeat costs one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import pytest
from event_contracts import LLMComparisonResultV1, LLMConfigOverrides
from llm_provider.ports import Ending
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import memory_bus, serving, settings_for, submit
from llm_provider.tests.vendors.calling import MODELS, VENDORS
from llm_provider.tests.vendors.fake_vendors import (
    KEY,
    VERDICT,
    Answer,
    Behaviour,
    BreaksOff,
    Failure,
    FakeVendors,
    Raw,
    Received,
    fake_vendors,
)
from service_kit.tests.ports import free_port

MAX_PAID: Final = 3
OUTAGE_TIMEOUT: Final = timedelta(seconds=5)
HTML: Final = b"<html><body>Sign in</body></html>"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a failure of every call leads to; ``calls`` is None where time bounds them and they are not billed.

    ``stops_batch`` is None where it depends on whether three calls last longer than the outage timeout.
    """

    behaviour: Behaviour
    calls: int | None
    code: str
    says: str
    stops_batch: bool | None = False


FAILURES: Final = {
    "web-page-instead-of-an-answer": Expected(
        behaviour=Raw(body=HTML, content_type="text/html"),
        calls=3,
        code="LLM_PARSING_ERROR",
        says="does not fit its protocol: it is a web page",
        stops_batch=None,
    ),
    "web-page-as-an-error": Expected(
        behaviour=Raw(body=HTML, content_type="text/html", status=502),
        calls=None,
        code="LLM_PARSING_ERROR",
        says="answers with a web page (502), not with its API",
        stops_batch=True,
    ),
    "web-page-as-a-refusal": Expected(
        behaviour=Raw(body=HTML, content_type="text/html", status=403),
        calls=1,
        code="LLM_PARSING_ERROR",
        says="answers with a web page (403), not with its API",
        stops_batch=True,
    ),
    "server-error": Expected(
        behaviour=Failure(status=500),
        calls=None,
        code="LLM_PROVIDER_UNAVAILABLE",
        says="500",
        stops_batch=True,
    ),
    "overloaded": Expected(
        behaviour=Failure(status=503),
        calls=None,
        code="LLM_PROVIDER_UNAVAILABLE",
        says="gave up after",
        stops_batch=True,
    ),
    "closed-connection": Expected(
        behaviour=BreaksOff(),
        calls=3,
        code="CONNECTION_ERROR",
        says="closed the connection",
        stops_batch=None,
    ),
    "timeout": Expected(
        behaviour=Answer(delay=600.0), calls=3, code="LLM_PROVIDER_TIMEOUT", says="did not answer within"
    ),
    "wrong-key": Expected(
        behaviour=Failure(status=401), calls=1, code="INVALID_API_KEY", says="check it", stops_batch=True
    ),
    "no-credit": Expected(
        behaviour=Failure(status=402),
        calls=1,
        code="QUOTA_EXCEEDED",
        says="requires payment",
        stops_batch=True,
    ),
    "no-such-model": Expected(
        behaviour=Failure(status=404),
        calls=1,
        code="LLM_INVALID_CONFIG",
        says="has no such model",
        stops_batch=True,
    ),
    "rejected": Expected(
        behaviour=Failure(status=400),
        calls=1,
        code="LLM_PROVIDER_API_ERROR",
        says="does not accept the request",
    ),
    "prompt-too-long": Expected(
        behaviour=Failure(status=413),
        calls=1,
        code="LLM_CONTENT_TOO_LONG",
        says="does not accept a prompt of this length",
    ),
    "cut-off": Expected(
        behaviour=Answer(ending=Ending.CUT_OFF), calls=1, code="LLM_INVALID_RESPONSE", says="cut off"
    ),
    "refused": Expected(
        behaviour=Answer(ending=Ending.REFUSAL), calls=1, code="LLM_INVALID_RESPONSE", says="refused to judge"
    ),
    "fenced": Expected(
        behaviour=Answer(text=f"```json\n{VERDICT}\n```"),
        calls=1,
        code="LLM_INVALID_RESPONSE",
        says="code fence",
    ),
    "not-json": Expected(
        behaviour=Answer(text="a tie"), calls=3, code="LLM_INVALID_RESPONSE", says="not one JSON object"
    ),
    "not-the-schema": Expected(
        behaviour=Answer(text='{"winner": "both"}'),
        calls=3,
        code="LLM_INVALID_RESPONSE",
        says="does not fit the schema",
    ),
}


TIMEOUT: Final = "timeout"
CLOSED: Final = "closed-connection"


def failing_as_the_essay_says(received: Received) -> Behaviour:
    body = json.dumps(received.body)
    return next(expected.behaviour for name, expected in FAILURES.items() if f"[{name}]" in body)


def calls_by_failure(vendors: FakeVendors) -> dict[str, int]:
    bodies = [json.dumps(received.body) for received in vendors.received]
    return {name: sum(f"[{name}]" in body for body in bodies) for name in FAILURES}


def addresses(vendor: str, url: str) -> dict[str, object]:
    key = "openai_compatible_key" if vendor == "openai_compatible" else f"{vendor}_api_key"
    return {f"{vendor}_url": url, key: KEY}


QUICK: Final = {
    "first_retry_delay": timedelta(milliseconds=20),
    "outage_timeout": OUTAGE_TIMEOUT,
    "call_timeout": timedelta(seconds=60),
    "breaker_failures": 10_000,
    "publish_call_events": False,
}


# Apart from the others: a time limit that is soon over on a quiet machine is over for every call on a busy one; and two
# lost connections must not be an outage already because the machine was slow between them.
@pytest.mark.parametrize(
    ("names", "settings"),
    [
        pytest.param([name for name in FAILURES if name not in (TIMEOUT, CLOSED)], {}, id="answers"),
        pytest.param([CLOSED], {"outage_timeout": timedelta(minutes=5)}, id="closed connection"),
        pytest.param([TIMEOUT], {"call_timeout": timedelta(seconds=0.5)}, id="no answer"),
    ],
)
@pytest.mark.parametrize("vendor", VENDORS)
async def test_no_failure_of_a_vendor_costs_more_than_three_paid_calls(
    vendor: str, names: Sequence[str], settings: Mapping[str, timedelta], database_url: str
) -> None:
    overrides = LLMConfigOverrides(provider_override=vendor, model_override=MODELS[vendor])
    items = [comparison(f"[{name}]", overrides=overrides, metadata={"failure": name}) for name in names]
    bus, results = memory_bus()
    options = {**QUICK, **settings}
    async with fake_vendors(failing_as_the_essay_says) as vendors:
        chosen = settings_for(database_url, **addresses(vendor, vendors.url(vendor)), **options)
        async with serving(chosen, bus=bus) as client:
            await submit(client, items)
            received = await results.waits_for(len(names), seconds=240)
        calls = calls_by_failure(vendors)

    by_failure = {str(result.request_metadata["failure"]): result for result in received}
    for name in names:
        _check(name, by_failure[name], calls[name], FAILURES[name])


def _check(name: str, result: LLMComparisonResultV1, calls: int, expected: Expected) -> None:
    error, paid = result.error_detail, result.request_metadata["paid_calls"]
    assert error is not None, name
    assert (name, error.error_code) == (name, expected.code)
    assert expected.says in error.message, (name, error.message)
    if expected.stops_batch is not None:
        assert (name, error.details["stops_batch"]) == (name, expected.stops_batch)
    assert isinstance(paid, int)
    assert paid <= MAX_PAID, name
    if expected.calls is None:
        assert calls > 1, f"{name}: tried again, as it is not billed"
        assert paid == 0, name
    else:
        assert (name, calls) == (name, expected.calls)


@pytest.mark.parametrize("text", ["a tie", '{"winner": "both"}'])
async def test_a_judge_that_would_repeat_its_answer_is_asked_once(text: str, database_url: str) -> None:
    deterministic = LLMConfigOverrides(
        provider_override="openai_compatible", model_override="llama-3", temperature_override=0.0
    )
    bus, results = memory_bus()
    async with fake_vendors(lambda _: Answer(text=text)) as vendors:
        url = vendors.url("openai_compatible")
        settings = settings_for(database_url, **addresses("openai_compatible", url), **QUICK)
        async with serving(settings, bus=bus) as client:
            await submit(client, [comparison(overrides=deterministic)])
            (result,) = await results.waits_for(1)

    assert len(vendors.received) == result.request_metadata["paid_calls"] == 1


async def test_a_vendor_that_cannot_be_reached_is_shown_immediately_and_given_up_after_the_outage_timeout(
    database_url: str,
) -> None:
    overrides = LLMConfigOverrides(provider_override="openai_compatible", model_override="llama-3")
    bus, results = memory_bus()
    settings = settings_for(
        database_url,
        openai_compatible_url=f"http://127.0.0.1:{free_port()}/v1",
        **{**QUICK, "breaker_failures": 2, "breaker_open_for": timedelta(seconds=30)},
    )
    async with serving(settings, bus=bus) as client:
        answer = await submit(client, [comparison(f"essay {n}", overrides=overrides) for n in range(5)])
        received = await results.waits_for(5)
        statuses = [
            (await client.get(f"/api/v1/requests/{item.accepted.queue_id}")).json()["status"]
            for item in answer.items
            if item.accepted
        ]

    errors = [result.error_detail for result in received if result.error_detail]
    assert statuses == ["failed"] * 5
    assert {(error.error_code, error.details["scope"]) for error in errors} == {("CONNECTION_ERROR", "batch")}
    assert all("cannot be reached" in error.message for error in errors)
    assert {result.request_metadata["paid_calls"] for result in received} == {0}
