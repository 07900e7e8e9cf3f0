"""Poison at the ports: an adapter that raises whenever a chosen batch is concerned.

A port's object is wrapped; what its methods return in a transaction is wrapped as well. A call concerns a batch where
its arguments name it, or an id that an earlier call has brought together with it.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import batch_conductor.ports
import cj_assessment.ports
import llm_provider.ports
from dishka import Provider, Scope
from llm_provider.providers import Judges
from suite.tests.poison.census import WORKER, Statement

ERRORS: Final[tuple[Callable[[], Exception], ...]] = (
    lambda: ValueError("this cannot be read"),
    lambda: MemoryError("this is too large"),
    lambda: RecursionError("this is too deep"),
)
PORT: Final = "port "
_IDS: Final = ("job_id", "attempt_id", "queue_id", "event_id")
PORTS: Final[Mapping[str, Sequence[type]]] = {
    "cj_assessment": (
        cj_assessment.ports.Store,
        cj_assessment.ports.ContentStore,
        cj_assessment.ports.JudgeCatalogue,
        cj_assessment.ports.CallbackRules,
        cj_assessment.ports.LlmProvider,
        cj_assessment.ports.ResultWatcher,
    ),
    "llm_provider": (
        llm_provider.ports.Store,
        llm_provider.ports.Catalogue,
        llm_provider.ports.CallbackRules,
        llm_provider.ports.CallWatcher,
        llm_provider.ports.StateWatcher,
    ),
    "batch_conductor": (batch_conductor.ports.Store,),
}


@dataclass
class PortPoison:
    """Which calls fail, and which were seen."""

    batches: dict[str, str] = field(default_factory=dict)
    """Batches by every id that belongs to them."""

    failing: dict[str, dict[tuple[str, str, str], Callable[[], Exception]]] = field(default_factory=dict)
    """By batch: service, worker and method that fail, each with its error."""

    called: set[Statement] = field(default_factory=set)
    poisoned: set[Statement] = field(default_factory=set)

    def check(self, service: str, method: str, arguments: object) -> None:
        """Raise where this call is poisoned for a batch that it concerns."""
        concerned = self._concerned(arguments) if self.batches else ()
        if not concerned:
            return
        owner, _, worker = WORKER.get().rpartition(".")
        statement = Statement(service, worker if owner in ("", service) else "events", PORT + method)
        self.called.add(statement)
        for batch_id in concerned:
            error = self.failing.get(batch_id, {}).get((statement.service, statement.worker, method))
            if error is not None:
                self.poisoned.add(statement)
                raise error()

    def _concerned(self, arguments: object) -> set[str]:
        for one in _elements(arguments):
            batch_id = self.batches.get(
                str(getattr(one, "batch_id", None) or getattr(one, "correlation_id", ""))
            )
            if batch_id is not None:
                ids = (getattr(one, name, None) for name in _IDS)
                self.batches.update({str(value): batch_id for value in ids if value is not None})
        said = repr(arguments)
        return {batch_id for known, batch_id in self.batches.items() if known in said}

    def overrides(self, service: str) -> Provider:
        """Wraps every port that the service's container provides."""
        provider = Provider(scope=Scope.APP)
        for port in PORTS[service]:
            provider.decorate(self._wrapping(service, port), provides=port)
        if service == "llm_provider":
            provider.decorate(self._judges, provides=Judges)
        return provider

    def _wrapping(self, service: str, port: type) -> Callable[[Any], Any]:
        def wrap(inner: Any) -> Any:
            return Wrapped(inner, service, port.__name__, self)

        wrap.__annotations__ = {"inner": port, "return": port}
        return wrap

    def _judges(self, judges: Judges) -> Judges:
        live = {name: Wrapped(judge, "llm_provider", "Judge", self) for name, judge in judges.live.items()}
        return replace(judges, live=live)


@dataclass(frozen=True)
class Wrapped:
    """An object all of whose methods ask first whether they are poisoned."""

    inner: Any
    service: str
    path: str
    poison: PortPoison

    def __getattr__(self, name: str) -> Any:
        value, method = getattr(self.inner, name), f"{self.path}.{name}"
        if name == "transaction":
            return self._transaction
        if not inspect.ismethod(value):
            return Wrapped(value, self.service, method, self.poison) if name in _REPOSITORIES else value
        if inspect.iscoroutinefunction(value):

            async def call(*args: Any, **kwargs: Any) -> Any:
                self.poison.check(self.service, method, (args, kwargs))
                return await value(*args, **kwargs)

            return call

        def call_now(*args: Any, **kwargs: Any) -> Any:
            self.poison.check(self.service, method, (args, kwargs))
            return value(*args, **kwargs)

        return call_now

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        async with self.inner.transaction() as transaction:
            yield Wrapped(transaction, self.service, self.path, self.poison)


_REPOSITORIES: Final = frozenset(
    name
    for ports in (cj_assessment.ports, llm_provider.ports)
    for name, value in vars(ports.Transaction).items()
    if isinstance(value, property)
)


def _elements(arguments: object, depth: int = 4) -> Iterator[object]:
    """The arguments, and what is in their collections."""
    yield arguments
    if depth and isinstance(arguments, Mapping):
        arguments = list(arguments.values())
    if depth and isinstance(arguments, list | tuple | set):
        for one in arguments:
            yield from _elements(one, depth - 1)
