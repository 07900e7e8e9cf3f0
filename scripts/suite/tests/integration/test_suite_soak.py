"""The soak, for as many minutes as CJ_SOAK_MINUTES says: without a leak and without anything lost."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from suite.embedded.postgres import PostgresServer
from suite.installed import PACKAGES
from suite.soak.__main__ import bounds_of
from suite.soak.running import soak

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "CJ_SOAK_MINUTES" not in os.environ, reason="takes minutes: set CJ_SOAK_MINUTES, or make soak"
    ),
]

MINUTES: Final = float(os.environ.get("CJ_SOAK_MINUTES", "5"))


@pytest.fixture
def name(postgres_server: PostgresServer) -> Iterator[str]:
    chosen = f"soak{uuid4().hex[:8]}"
    yield chosen
    for service in PACKAGES:
        postgres_server.drop_database(f"{chosen}_{service}")


async def test_under_a_steady_load_nothing_grows_and_nothing_is_lost(
    postgres_server: PostgresServer, kafka_bootstrap: str, name: str, tmp_path: Path
) -> None:
    done = await soak(postgres_server, kafka_bootstrap, name=name, folder=tmp_path, seconds=MINUTES * 60)

    print(done.line())
    assert done.broken(bounds_of(MINUTES)) == []
    assert done.load.batches > 2 * MINUTES
    assert done.load.cancelled > 0
    assert done.load.refused > 10 * MINUTES
    assert {growth.service for growth in done.services} == set(PACKAGES)
