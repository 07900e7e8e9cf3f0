"""Carries outbox messages to HTTP endpoints as signed callbacks."""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

import httpx2
from event_contracts import InvalidCallback

from service_kit.outbox import OutgoingMessage
from service_kit.webhooks import CallbackPolicy, WebhookSigner

CONCURRENCY = 32
TIMEOUT_SECONDS = 10.0


class HttpCarrier:
    """Posts the stored bytes; only a 2xx answer counts as delivered, and redirects are not followed."""

    def __init__(self, client: httpx2.AsyncClient, *, signer: WebhookSigner, policy: CallbackPolicy) -> None:
        self._client = client
        self._signer = signer
        self._policy = policy
        self._slots = asyncio.Semaphore(CONCURRENCY)

    async def deliver(self, messages: Sequence[OutgoingMessage]) -> Mapping[UUID, str]:
        reasons = await asyncio.gather(*(self._post(message) for message in messages))
        return {
            message.event_id: reason
            for message, reason in zip(messages, reasons, strict=True)
            if reason is not None
        }

    async def _post(self, message: OutgoingMessage) -> str | None:
        async with self._slots:
            try:
                await asyncio.to_thread(self._policy.check_addresses, message.destination)
                answer = await self._client.post(
                    message.destination,
                    content=message.value,
                    headers={
                        "content-type": "application/json",
                        **self._signer.headers(message_id=str(message.event_id), body=message.value),
                    },
                    timeout=TIMEOUT_SECONDS,
                    follow_redirects=False,
                )
            except (httpx2.HTTPError, InvalidCallback, OSError) as error:
                return repr(error)
        return None if answer.is_success else f"the receiver answered {answer.status_code}"
