"""Databases that the tests of a module share: migrated once, and emptied between tests."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from service_kit.storage.database import migrate
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


def migrated(url: str, migrations: Path) -> str:
    """Bring an empty database to the newest schema, and return its URL; also where an event loop runs."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, migrate(url, migrations)).result()
    return url


async def delete_all_rows(url: str, metadata: MetaData) -> None:
    """Empty every table. TRUNCATE would write the files of every table anew, which takes far longer for few rows."""
    deletions = "; ".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables))
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        assert raw.driver_connection is not None, "a connection that is open has its driver's"
        await raw.driver_connection.execute(deletions)
    await engine.dispose()
