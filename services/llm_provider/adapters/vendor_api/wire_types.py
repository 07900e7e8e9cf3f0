"""Kinds of values that several vendors send: fields that decide are strict, accompanying ones lenient.

An answer was paid for. If a count, an id or a detail that comes with it cannot be read, that value is unknown: the
answer still counts.
"""

import re
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError, WrapValidator
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from llm_provider.domain.costs.usage import UNKNOWN_USAGE, Usage

_ID: Final = re.compile(r"[!-~]{1,200}")
_MAX_TOKENS: Final = 2**31 - 1
"""No call has billions of tokens."""

ValueT = TypeVar("ValueT")


def _or_none(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(value)
    except ValidationError:
        return None


Lenient = Annotated[ValueT | None, WrapValidator(_or_none)]
"""A side field: what does not fit is None."""


def _count(sent: object) -> int | None:
    if isinstance(sent, float) and sent.is_integer():
        sent = int(sent)
    if not isinstance(sent, int) or isinstance(sent, bool):
        return None
    return sent if 0 <= sent <= _MAX_TOKENS else None


Tokens = Annotated[int | None, BeforeValidator(_count)]
"""A count of tokens; None is one that is left out or cannot be one."""


def _id(sent: object) -> str | None:
    return sent if isinstance(sent, str) and _ID.fullmatch(sent) else None


CallId = Annotated[str | None, BeforeValidator(_id)]
"""A vendor's id of a call, or the name that a model gives itself; what could not be logged or stored is none."""


def counted(
    *,
    input: int | None,  # noqa: A002 - the name that Usage has
    output: int | None,
    cache_read: int | None = None,
    cache_write: int | None = None,
    cache_write_1h: int | None = None,
    reasoning: int | None = None,
) -> Usage:
    """The tokens of a call, unknown where one of the two sums is; details that exceed their sum are left out."""
    if input is None or output is None:
        return UNKNOWN_USAGE
    read, written = cache_read or 0, cache_write or 0
    if read + written > input:
        read, written = 0, 0
    thought = reasoning or 0
    return Usage(
        input=input,
        output=output,
        cache_read=read,
        cache_write=written,
        cache_write_1h=min(cache_write_1h or 0, written),
        reasoning=thought if thought <= output else 0,
    )


class Part(BaseModel):
    """A part of a message whose content is a list."""

    type: Lenient[str] = None
    text: Lenient[str] = None
    phase: Lenient[str] = None

    @property
    def answer(self) -> str:
        """Its text, where it is a part of the answer: thoughts, comments and references are not."""
        is_answer = self.type in _ANSWER_PARTS and is_final(self.phase)
        return (self.text or "") if is_answer else ""


_ANSWER_PARTS: Final = frozenset({None, "text", "output_text"})
_FINAL_PHASES: Final = frozenset({None, "", "final_answer"})


def is_final(phase: str | None) -> bool:
    """True for what a model says as its answer, false for its comments on the way there."""
    return phase in _FINAL_PHASES


Content = Lenient[str | list[str | Part]]
"""What a message says: text, or parts of which only some are the answer."""


def answer_text(content: str | list[str | Part] | None) -> str:
    """The answer in a message's content."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part if isinstance(part, str) else part.answer for part in content)
