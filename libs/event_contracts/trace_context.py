"""The trace that a message belongs to, as W3C Trace Context writes it: https://www.w3.org/TR/trace-context/."""

import re
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from pydantic import StringConstraints

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
"""Names of the fields, wherever they are written: HTTP headers, message headers, an envelope's metadata."""

TRACEPARENT_PATTERN: Final = r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
Traceparent: TypeAlias = Annotated[str, StringConstraints(max_length=55, pattern=TRACEPARENT_PATTERN)]
"""Version, trace id, span id and flags."""

Tracestate: TypeAlias = Annotated[str, StringConstraints(max_length=512, pattern=r"^[\x20-\x7e]+$")]
"""What tracing systems of vendors add; passed on as it came."""

_TRACEPARENT: Final = re.compile(
    "((?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-.*)?"
)
_TRACESTATE: Final = re.compile(r"[\x20-\x7e]{1,512}")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span that others continue."""

    traceparent: str
    tracestate: str | None = None

    @classmethod
    def of(cls, traceparent: object, tracestate: object = None) -> "TraceContext | None":
        """None for what is no trace context, and no `tracestate` for what is none: the specification ignores both."""
        found = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
        if found is None:
            return None
        is_state = isinstance(tracestate, str) and _TRACESTATE.fullmatch(tracestate)
        return cls(found[1], str(tracestate) if is_state else None)

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, the same for all spans of a trace."""
        return self.traceparent.split("-")[1]

    def fields(self) -> dict[str, str]:
        """By name, what is written into headers or metadata."""
        state = {} if self.tracestate is None else {TRACESTATE: self.tracestate}
        return {TRACEPARENT: self.traceparent, **state}
