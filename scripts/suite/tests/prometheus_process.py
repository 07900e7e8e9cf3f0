"""A real Prometheus on this machine, asked as Grafana asks it."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml
from command_line.loopback import HOST, free_port
from suite.embedded.guarding import kill_on_parent_death

WAIT_TIMEOUT_SECONDS = 240


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """A running server."""

    http: httpx2.AsyncClient

    async def ask(self, expression: str) -> list[Any]:
        """The answer's series; fails for an expression that Prometheus does not understand."""
        answer = await self.http.get("/api/v1/query", params={"query": expression})
        body = answer.json()
        assert body["status"] == "success", f"{expression}: {body.get('error')}"
        data = body["data"]
        return [data["result"]] if data["resultType"] == "scalar" else list(data["result"])


def is_installed() -> bool:
    return shutil.which("prometheus") is not None and shutil.which("promtool") is not None


@asynccontextmanager
async def prometheus(folder: Path, targets: Mapping[str, str], *, rules: Path) -> AsyncIterator[Prometheus]:
    """Scrape ``targets`` (service to host:port) every second until the context ends."""
    port = free_port()
    _write_settings(folder, targets, rules)
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={HOST}:{port}",
            "--log.level=warn",
            stdout=log,
            stderr=log,
        )
    with kill_on_parent_death(process.pid, signal.SIGKILL):
        try:
            async with httpx2.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=30) as http:
                await _ready(http, process)
                yield Prometheus(http=http)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _write_settings(folder: Path, targets: Mapping[str, str], rules: Path) -> None:
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": "suite",
                "static_configs": [
                    {"targets": [address], "labels": {"service": service}}
                    for service, address in targets.items()
                ],
            }
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings), "utf-8")


async def _ready(http: httpx2.AsyncClient, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while True:
            assert process.returncode is None, "Prometheus ended: see its log"
            try:
                if (await http.get("/-/ready")).is_success:
                    return
            except httpx2.HTTPError:
                pass
            await asyncio.sleep(0.1)
