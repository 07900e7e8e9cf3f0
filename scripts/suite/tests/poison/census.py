"""Which statements the workers execute, and which of them were made to fail."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Final

from service_kit.running import BackgroundLoop, ReadsHeartbeat, Service
from sqlalchemy import Connection, Engine, ExceptionContext, event

WORKER: Final[ContextVar[str]] = ContextVar("worker", default="http")
_WRITES: Final = re.compile(r"\b(INSERT INTO|UPDATE \w+(?: AS \w+)?\s+SET|DELETE FROM)\b", re.IGNORECASE)
_TAG: Final = re.compile(r" /\* [\w-]+ \*/$")


@dataclass(frozen=True, slots=True, order=True)
class Statement:
    """A statement as a worker executes it; ``service`` is the one whose database it is."""

    service: str
    worker: str
    text: str

    @property
    def tagged(self) -> str:
        """Its text as it reaches the server: the same statement of two workers is two statements."""
        return f"{self.text} /* {self.worker} */"

    @property
    def writes(self) -> bool:
        """Whether it changes rows."""
        return _WRITES.search(self.text) is not None

    def __str__(self) -> str:
        return f"{self.service} {self.worker}: {' '.join(self.text.split())[:150]}"


@dataclass
class Census:
    """Counts statements by worker, and those that failed on a poisoned row."""

    services: dict[str, str] = field(default_factory=dict)
    """The service of each database."""

    executed: set[Statement] = field(default_factory=set)
    poisoned: set[Statement] = field(default_factory=set)

    @contextmanager
    def taken(self) -> Iterator["Census"]:
        """Count until the context ends."""
        event.listen(Engine, "before_cursor_execute", self._execute, retval=True)
        event.listen(Engine, "handle_error", self._fail)
        try:
            yield self
        finally:
            event.remove(Engine, "before_cursor_execute", self._execute)
            event.remove(Engine, "handle_error", self._fail)

    def _execute(
        self, connection: Connection, _: object, text: str, parameters: object, *_more: object
    ) -> tuple[str, object]:
        statement = self._statement(connection.engine.url.database, text)
        if statement is None:
            return text, parameters
        self.executed.add(statement)
        return statement.tagged, parameters

    def _fail(self, context: ExceptionContext) -> None:
        if context.engine is None or context.statement is None:
            return
        original = getattr(context.original_exception, "__cause__", None) or context.original_exception
        where = getattr(original, "context", None) or ""
        if "poison_row" in where:
            statement = self._statement(context.engine.url.database, context.statement)
            if statement is not None:
                self.poisoned.add(statement)

    def _statement(self, database: str | None, text: str) -> Statement | None:
        service = self.services.get(database or "")
        if service is None:
            return None
        text = _TAG.sub("", text)
        owner, _, worker = WORKER.get().rpartition(".")
        # What another service's relay delivers on the memory bus is handled in the relay's own task.
        return Statement(service, worker if owner in ("", service) else "events", text)


@dataclass(frozen=True)
class NamedLoop:
    """A worker whose statements can be told from those of others."""

    inner: BackgroundLoop
    service: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.inner.name

    @property
    def heartbeat(self) -> ReadsHeartbeat:
        """Its heartbeat."""
        return self.inner.heartbeat

    async def run(self) -> None:
        """Run until cancelled."""
        WORKER.set(f"{self.service}.{self.name}")
        await self.inner.run()


def with_named_workers(service: Service, name: str) -> Service:
    """The service, each of whose workers is named in the census."""
    return replace(service, workers=[NamedLoop(worker, name) for worker in service.workers])
