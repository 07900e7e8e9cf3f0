"""The suite as a process of its own, for runs that need no service to be there: ``--transport embedded``."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
from command_line.loopback import HOST, free_ports
from event_contracts import ConfigurationError

START_SECONDS: Final = 180.0
STOP_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Base URLs of CJ Assessment and, where it is known, of the LLM Provider."""

    assessment: str
    provider: str | None


@asynccontextmanager
async def embedded_suite(
    data: Path, *, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Addresses]:
    """Run ``cj-suite up`` with its data in ``data``; yields where its services are.

    ``environment`` is added to this process's.

    The same folder resumes the batches that it held before. Raises ``ConfigurationError`` with what it said where it
    does not start.
    """
    await asyncio.to_thread(data.mkdir, parents=True, exist_ok=True)
    cj, llm, conductor = free_ports(3)
    output = data / "embedded.output"
    with output.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "suite.main", "up", "--data", str(data),
            "--cj-port", str(cj), "--llm-port", str(llm), "--conductor-port", str(conductor),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, env={**os.environ, **(environment or {})},
        )  # fmt: skip
    try:
        url = f"http://{HOST}:{cj}"
        await _until_ready(process, url, output)
        yield Addresses(assessment=url, provider=f"http://{HOST}:{llm}")
    finally:
        await _stop(process)


async def _until_ready(process: asyncio.subprocess.Process, url: str, output: Path) -> None:
    try:
        async with httpx2.AsyncClient(timeout=5) as http, asyncio.timeout(START_SECONDS):
            while True:
                if process.returncode is not None:
                    said = (await asyncio.to_thread(output.read_text, "utf-8", "replace")).strip()[-1000:]
                    raise ConfigurationError(f"the embedded suite did not start: {said}")
                with suppress(httpx2.HTTPError):
                    if (await http.get(f"{url}/readyz")).is_success:
                        return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise ConfigurationError(
            f"the embedded suite was not ready after {START_SECONDS:.0f} s: see {output}"
        ) from None


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
