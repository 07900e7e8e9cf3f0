"""Where the benchmark runs: replicas of the LLM Provider as processes, and the comparisons that they are sent."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx2
from command_line.loopback import HOST, free_port
from event_contracts import (
    ComparisonBatchItem,
    ComparisonBatchRequest,
    LLMConfigOverrides,
    PromptBlock,
    PromptTarget,
    Topic,
    fence_pair,
)

from suite.embedded.postgres import PostgresServer
from suite.processes.service_process import ServiceProcess, new_secret
from suite.processes.tokens import TOKEN_SETTINGS, OwnToken

SHORT_ESSAY, LONG_ESSAY = 60, 300
"""Words; the first is bound by requests, the second by tokens."""

OVERRIDES: Final = LLMConfigOverrides(provider_override="openai_compatible", model_override="limited-1")


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the service runs: its servers, and a folder for its logs."""

    postgres: PostgresServer
    kafka: str
    folder: Path
    secret: str = field(default_factory=new_secret)

    def replicas(self, count: int, *, vendor: str, limits: str, concurrency: int) -> list[ServiceProcess]:
        """``count`` replicas, not yet started, that share a new database."""
        name = f"provider_{uuid4().hex[:8]}"
        settings = {
            "database_url": self.postgres.create_database(name),
            "kafka_bootstrap_servers": self.kafka,
            "kafka_topic_prefix": f"{name}.",
            "callback_signing_secret": self.secret,
            **TOKEN_SETTINGS,
            "callback_allowed_hosts": f'["{HOST}"]',
            "openai_compatible_url": f"{vendor}/v1",
            "limits": f'{{"openai_compatible": {limits}}}',
            "concurrency": str(concurrency),
            "log_level": "warning",
        }
        return [
            ServiceProcess("llm_provider", free_port(), settings, self.folder / f"{name}-{number}.log")
            for number in range(count)
        ]


@asynccontextmanager
async def running(services: Sequence[ServiceProcess]) -> AsyncIterator[None]:
    """Run processes until the context ends."""
    async with AsyncExitStack() as stack:
        for service in services:
            stack.push_async_callback(service.stop)
            await service.start()
        yield


def comparison(words: int, number: int) -> ComparisonBatchItem:
    """A comparison of two essays of about ``words`` words."""
    pair = fence_pair(
        f"Essay {number}. " + "A sentence of words. " * (words // 4), "Other words here. " * (words // 3)
    )
    contents = ("You compare two essays.", pair.essay_a, pair.essay_b, "Which essay is better?")
    return ComparisonBatchItem(
        user_prompt="Which essay is better?",
        prompt_blocks=tuple(PromptBlock(target=PromptTarget.USER_CONTENT, content=text) for text in contents),
        callback_topic=Topic.LLM_COMPARISON_RESULT,
        llm_config_overrides=OVERRIDES,
        correlation_id=uuid4(),
        user_id="benchmark",
        metadata={"bos_batch_id": f"batch-{number % 10}"},
    )


async def submit(
    client: httpx2.AsyncClient, service: ServiceProcess, items: Sequence[ComparisonBatchItem]
) -> None:
    """Queue comparisons at the service."""
    body = ComparisonBatchRequest(comparisons=tuple(items)).model_dump_json(exclude_none=True)
    answer = await client.post(
        f"{service.url}/api/v1/comparisons",
        content=body,
        headers={"content-type": "application/json"},
        timeout=60,
        auth=OwnToken(),
    )
    answer.raise_for_status()
