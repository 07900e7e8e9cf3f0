"""What tests of callbacks share: a sender, and the messages that it sends."""

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx2
from service_kit.callbacks.policy import CallbackPolicy, callback_client
from service_kit.callbacks.relay import CallbackSender
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.messaging.outbox import OutgoingMessage

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SIGNER = WebhookSigner(SECRET)


@asynccontextmanager
async def sending(*allowed: str, ssl_context: ssl.SSLContext | None = None) -> AsyncIterator[CallbackSender]:
    """A sender that may call these hosts."""
    policy = CallbackPolicy(allowed_hosts=allowed or ("127.0.0.1",))
    async with callback_client(policy, ssl_context=ssl_context) as client:
        yield CallbackSender(client, signer=SIGNER)


def message_to(url: str, *, body: bytes = b"{}") -> OutgoingMessage:
    """A message of the outbox for a receiver."""
    return OutgoingMessage(
        event_id=uuid4(), transport="http", destination=url, key=httpx2.URL(url).host, headers=(), value=body
    )
