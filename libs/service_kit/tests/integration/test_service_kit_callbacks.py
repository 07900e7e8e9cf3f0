"""What one callback promises: the stored bytes with a signature, and what its receiver's answer means."""

import asyncio
import time

import pytest
from service_kit.callbacks import relay as callbacks
from service_kit.messaging.event_bus import Refusal
from service_kit.messaging.outbox import callback_message
from service_kit.tests.builders import consumption
from service_kit.tests.callback_sending import SIGNER, message_to, sending
from service_kit.tests.receiver import Receiver


async def test_a_callback_carries_the_stored_bytes_and_a_valid_signature(receiver: Receiver) -> None:
    event = consumption()

    async with sending() as sender:
        refusal = await sender.post(callback_message(event, url=receiver.url("/ok")))

    [one] = receiver.received
    assert refusal is None
    assert one.body == event.to_json()
    assert one.headers["content-type"] == "application/json"
    assert SIGNER.verify(one.headers, one.body) == str(event.event_id)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_is_delivered(receiver: Receiver, status: int) -> None:
    async with sending() as sender:
        assert await sender.post(message_to(receiver.url(f"/status/{status}"))) is None


@pytest.mark.parametrize("status", [301, 400, 401, 404, 408, 429, 500, 503])
async def test_any_other_status_is_retried(receiver: Receiver, status: int) -> None:
    async with sending() as sender:
        refusal = await sender.post(message_to(receiver.url(f"/status/{status}")))

    assert refusal == Refusal(reason=f"the receiver answered {status}")


async def test_a_receiver_that_is_gone_is_not_asked_again(receiver: Receiver) -> None:
    async with sending() as sender:
        refusal = await sender.post(message_to(receiver.url("/status/410")))

    assert refusal == Refusal(reason="the receiver answered 410", final=True)


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    async with sending() as sender:
        refusal = await sender.post(message_to(receiver.url("/redirect")))

    assert refusal == Refusal(reason="the receiver answered 307")
    assert [one.path for one in receiver.received] == ["/redirect"]


@pytest.mark.parametrize("path", ["/silent", "/drip"])
async def test_a_receiver_that_does_not_finish_its_answer_is_given_up_in_time(
    receiver: Receiver, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "TIMEOUT_SECONDS", 0.3)
    started = time.perf_counter()

    async with sending() as sender:
        refusal = await sender.post(message_to(receiver.url(path)))

    assert refusal == Refusal(reason="no answer within 0.3 s")
    assert time.perf_counter() - started < 10


async def test_a_body_without_an_end_is_not_read(receiver: Receiver) -> None:
    async with sending() as sender, asyncio.timeout(10):
        assert await sender.post(message_to(receiver.url("/endless"))) is None


async def test_a_refused_connection_is_a_reason_to_retry() -> None:
    async with sending() as sender:
        refusal = await sender.post(message_to("http://127.0.0.1:9/"))

    assert refusal is not None
    assert "ConnectError" in refusal.reason
    assert not refusal.final


async def test_a_proxy_in_the_environment_is_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    async with sending() as sender:
        assert await sender.post(message_to(receiver.url("/ok"))) is None
