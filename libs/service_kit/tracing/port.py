"""What the rest of the suite knows of tracing; the trace context itself is a value of the contracts."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from enum import Enum, auto
from typing import Final, Protocol, TypeVar

from event_contracts import TRACEPARENT, TRACESTATE, EventEnvelope, TraceContext, WireModel

DataT = TypeVar("DataT", bound=WireModel)

Attribute = str | int | float | bool
"""Ids, names, codes and numbers: never an essay, a prompt, an answer or a token."""

CURRENT: Final[ContextVar[TraceContext | None]] = ContextVar("service_kit.tracing.current", default=None)


def current_trace() -> TraceContext | None:
    """The span that this code runs in, if any."""
    return CURRENT.get()


def in_current_trace(envelope: EventEnvelope[DataT]) -> EventEnvelope[DataT]:
    """The event as a part of the span that this code runs in, unless its metadata name another one."""
    trace = current_trace()
    return envelope if trace is None or envelope.trace is not None else envelope.continuing(trace)


def trace_of_headers(headers: Iterable[tuple[str, bytes | None]]) -> TraceContext | None:
    """The span that names and values of headers continue."""
    found = {name: value.decode("latin-1") for name, value in headers if value is not None}
    return TraceContext.of(found.get(TRACEPARENT), found.get(TRACESTATE))


class SpanKind(Enum):
    """Which side of a call or a message a span is."""

    INTERNAL = auto()
    SERVER = auto()
    CLIENT = auto()
    PRODUCER = auto()
    CONSUMER = auto()


class Span(Protocol):
    """One step of a trace, until its context ends."""

    @property
    def context(self) -> TraceContext | None:
        """What continues this span; None where nothing is traced."""
        ...

    def rename(self, name: str) -> None:
        """Give it the name that is known only now."""
        ...

    def note(self, attributes: Mapping[str, Attribute]) -> None:
        """Add what is known only now."""
        ...

    def failed(self, reason: str) -> None:
        """Mark it as failed, with an error code or the name of an error; messages may quote what nobody should see."""
        ...


class Tracing(Protocol):
    """Makes spans."""

    @property
    def is_on(self) -> bool:
        """Whether anything is traced: what would cost something for it, is left undone otherwise."""
        ...

    def span(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parents: Sequence[TraceContext] | None = None,
        attributes: Mapping[str, Attribute] | None = None,
        is_current: bool = True,
    ) -> AbstractContextManager[Span]:
        """A span until the context ends; an error that leaves it marks it as failed.

        It continues the first of ``parents``, whose trace it joins, and is linked to the others. Without ``parents`` it
        continues the current span; with none of either it starts a trace. ``is_current`` is False for one of several
        that are open side by side.
        """
        ...


class _NoSpan:
    context = None

    def rename(self, name: str) -> None:  # noqa: ARG002 - the port's
        return

    def note(self, attributes: Mapping[str, Attribute]) -> None:  # noqa: ARG002 - the port's
        return

    def failed(self, reason: str) -> None:  # noqa: ARG002 - the port's
        return


class _NoTracing:
    is_on = False

    def span(
        self,
        name: str,  # noqa: ARG002 - the port's
        *,
        kind: SpanKind = SpanKind.INTERNAL,  # noqa: ARG002 - the port's
        parents: Sequence[TraceContext] | None = None,  # noqa: ARG002 - the port's
        attributes: Mapping[str, Attribute] | None = None,  # noqa: ARG002 - the port's
        is_current: bool = True,  # noqa: ARG002 - the port's
    ) -> AbstractContextManager[Span]:
        return _NOTHING


_NOTHING: Final[AbstractContextManager[Span]] = nullcontext(_NoSpan())
NO_TRACING: Final[Tracing] = _NoTracing()
