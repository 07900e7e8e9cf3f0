"""CJ Assessment and LLM Provider in this process, on real databases and ports, and all that their tables hold."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Any

import cj_assessment.assembly
import cj_assessment.settings
import httpx2
import llm_provider.providers
import llm_provider.settings
from command_line.loopback import free_ports
from dishka import Provider, Scope, decorate
from event_contracts import read_fenced_pair
from llm_provider.ports import Judge, JudgeCall, JudgeReply
from llm_provider.providers import Judges
from pydantic import SecretStr
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.running import run_services
from service_kit.storage.database import Database
from service_kit.tests.tokens import SHARED_SECRET, bearer, signed_with_secret
from service_kit.tests.waiting import read_until
from sqlalchemy import text

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SERVICE_SECRET = "what the services of this test know each other by"


class QuotingJudge:
    """Quotes the beginning of the winner in its reasons, as real judges do."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    async def judge(self, call: JudgeCall) -> JudgeReply:
        reply = await self._judge.judge(call)
        answer = json.loads(reply.text)
        text_a, text_b = read_fenced_pair(call.prompt.user)
        winner = text_a if answer["winner"] == "Essay A" else text_b
        return changed(reply, text=json.dumps({**answer, "justification": f"It says: {winner[:60]}"}))


class Quoting(Provider):
    """Makes every judge quote."""

    scope = Scope.APP

    @decorate
    def judges(self, judges: Judges) -> Judges:
        return changed(judges, live={name: QuotingJudge(judge) for name, judge in judges.live.items()})


@dataclass(frozen=True, kw_only=True)
class BothServices:
    """The services as an administrator reaches them, and their databases."""

    assessment: httpx2.AsyncClient
    provider: httpx2.AsyncClient
    databases: tuple[str, ...]

    async def until_ended(self, path: str) -> dict[str, Any]:
        """Ask CJ Assessment for what it does until that has ended; returns the last answer."""
        answer = await read_until(
            lambda: self.assessment.get(path),
            holds=lambda answer: answer.status_code == 200 and bool(answer.json()["completed_at"]),
            what=f"{path} has ended",
            every=0.1,
        )
        found: dict[str, Any] = answer.json()
        return found

    async def dump(self) -> str:
        """Every row of every table of both databases, as text."""
        parts = [await _dumped(url) for url in self.databases]
        return "\n".join(parts)


@asynccontextmanager
async def both_services(
    assessment_url: str,
    provider_url: str,
    *,
    kafka: Mapping[str, Any] | None = None,
    assessment_overrides: Sequence[Provider] = (),
    provider_overrides: Sequence[Provider] = (),
    callback_over_http: bool = False,
    provider: Mapping[str, Any] | None = None,
    **assessment: Any,
) -> AsyncIterator[BothServices]:
    """Run both until the context ends; requests of the clients show an administrator's token.

    ``kafka`` are the settings of a broker; without it, a bus in memory joins them. ``provider`` are further settings
    of the LLM Provider, ``assessment`` those of CJ Assessment.
    """
    ports = free_ports(2)
    common: dict[str, Any] = {
        **(kafka or {"event_bus": "memory"}),
        "callback_signing_secret": SecretStr(SECRET),
        "jwt_secret": SecretStr(SHARED_SECRET),
        "service_secret": SecretStr(SERVICE_SECRET),
    }
    bus = MemoryEventBus() if kafka is None else None
    if callback_over_http:
        common["callback_allowed_hosts"] = ("127.0.0.1",)
        own = f"http://127.0.0.1:{ports[0]}"
        assessment = {"callback_transport": "http", "callback_base_url": own, **assessment}
    services = [
        await llm_provider.providers.build_service(
            llm_provider.settings.Settings(
                database_url=provider_url, http_port=ports[1], **common, **(provider or {})
            ),
            bus=bus,
            overrides=[Quoting(), *provider_overrides],
        ),
        await cj_assessment.assembly.assemble(
            cj_assessment.settings.Settings(
                database_url=assessment_url,
                http_port=ports[0],
                llm_provider_url=f"http://127.0.0.1:{ports[1]}",
                **{"default_provider": "mock", **common, **assessment},
            ),
            bus=bus,
            overrides=assessment_overrides,
        ),
    ]
    stop, started = asyncio.Event(), asyncio.Event()
    headers = bearer(signed_with_secret())
    async with (
        asyncio.TaskGroup() as group,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{ports[0]}", headers=headers, timeout=30) as cj,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{ports[1]}", headers=headers, timeout=30) as llm,
    ):
        group.create_task(run_services(services, stop=stop, started=started))
        try:
            await started.wait()
            yield BothServices(assessment=cj, provider=llm, databases=(assessment_url, provider_url))
        finally:
            stop.set()


async def _dumped(url: str) -> str:
    database = Database(url, application_name="dump")
    rows: list[str] = []
    try:
        async with database.transaction() as connection:
            tables: Sequence[str] = (
                (
                    await connection.execute(
                        text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
                    )
                )
                .scalars()
                .all()
            )
            for table in tables:
                found = await connection.execute(text(f'SELECT * FROM "{table}"'))
                rows += [f"{table}: {_as_text(row)}" for row in found]
    finally:
        await database.close()
    return "\n".join(rows)


def _as_text(values: Iterable[object]) -> str:
    return " | ".join(
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values
    )
