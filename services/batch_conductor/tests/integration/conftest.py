"""A conductor on the bus of this process, one a module, and a batch that no other test knows."""

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from batch_conductor.settings import Settings
from batch_conductor.tests.serving import SECRET, Conductor, running
from pydantic import SecretStr
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.tests.ports import free_port
from service_kit.tests.tokens import SHARED_SECRET


@pytest.fixture
def batch_id() -> str:
    """A new batch."""
    return f"batch-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def bus() -> MemoryEventBus:
    """A bus inside this process."""
    return MemoryEventBus()


@pytest.fixture(scope="module")
def settings(database_url: str) -> Settings:
    """Settings of a conductor on a free port."""
    return Settings(
        database_url=database_url,
        event_bus="memory",
        http_port=free_port(),
        callback_signing_secret=SECRET,
        jwt_secret=SecretStr(SHARED_SECRET),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conductor(settings: Settings, bus: MemoryEventBus) -> AsyncIterator[Conductor]:
    """A running conductor."""
    async with running(settings, bus=bus) as conductor:
        yield conductor
