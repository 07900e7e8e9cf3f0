"""How much likelier one essay was than the other, by the probabilities of the token in which the answer says so."""

import math
import re
from collections.abc import Sequence
from typing import Final

from event_contracts import LogOdds
from pydantic import BaseModel, ValidationError

from llm_provider.adapters.vendor_api.wire_types import Lenient

TOP_K: Final = 20
"""As many as OpenAI and the servers that follow it give for each token."""

_UNKNOWN: Final = -9999.0
"""What OpenAI writes for a token that is not among the likeliest ones."""

_NAMED: Final = re.compile(r'"winner"\s*:\s*"Essay (?=[AB])')
"""Within a string of JSON no quotation mark is bare, so that no reason can look like this."""
_REASONS: Final = '"justification"'
_SLOTS: Final = ("A", "B")


class Alternative(BaseModel):
    """A token that might have been written, and the logarithm of its probability."""

    token: str
    logprob: float


class WrittenToken(Alternative):
    """A token of the answer, with the most likely ones in its place."""

    top_logprobs: Lenient[list[Alternative]] = None


class TokenProbabilities(BaseModel):
    """The tokens of an answer, in order."""

    content: Lenient[list[WrittenToken]] = None


def log_odds_a(
    tokens: Sequence[WrittenToken] | None,
    *,
    constrained: bool,
    temperature: float | None,
    has_reasoned: bool = False,
) -> LogOdds | None:
    """The log-odds of slot A in the token that names the winner; None where the tokens do not show it.

    An alternative counts for the essay that it would have named in the same place. Where one essay is not among the
    alternatives, the least of them bounds it. ``has_reasoned``: the model thought before it wrote.
    """
    place = _naming_token(tokens or ())
    if tokens is None or place is None:
        return None
    index, offset = place
    written, before = tokens[index], tokens[index].token[:offset]
    alternatives = [one for one in written.top_logprobs or () if one.logprob > _UNKNOWN]
    known = {
        name: _log_sum([one.logprob for one in alternatives if one.token[: offset + 1] == before + name])
        for name in _SLOTS
    }
    slot = written.token[offset]
    if known[slot] is None and written.logprob > _UNKNOWN:
        known[slot] = written.logprob
    value = _difference(known, bound=min((one.logprob for one in alternatives), default=None))
    if value is None:
        return None
    try:
        return LogOdds(
            value=max(-1_000.0, min(value, 1_000.0)),
            tokens=tuple(before + name for name in _SLOTS),
            top_k=max(1, min(len(alternatives), 100)),
            censored=None in known.values(),
            constrained=constrained,
            before_reasoning=not has_reasoned and _REASONS not in _text(tokens[:index]),
            temperature=temperature,
        )
    except ValidationError:  # a token that cannot be printed, or a temperature that is none
        return None


def _difference(known: dict[str, float | None], *, bound: float | None) -> float | None:
    """How much more is known of A than of B, each bounded where it is not known; None where neither is."""
    if all(value is None for value in known.values()):
        return None
    first, second = (bound if known[name] is None else known[name] for name in _SLOTS)
    if first is None or second is None or not math.isfinite(first - second):
        return None
    return first - second


def _naming_token(tokens: Sequence[WrittenToken]) -> tuple[int, int] | None:
    """The place of the token that holds the winner's letter, and of the letter within it."""
    named = _NAMED.search(_text(tokens))
    if named is None:
        return None
    start = 0
    for index, token in enumerate(tokens):
        if start <= named.end() < start + len(token.token):
            return index, named.end() - start
        start += len(token.token)
    return None


def _text(tokens: Sequence[WrittenToken]) -> str:
    return "".join(token.token for token in tokens)


def _log_sum(logarithms: Sequence[float]) -> float | None:
    if not logarithms:
        return None
    most = max(logarithms)
    if not math.isfinite(most):
        return None
    return most + math.log(sum(math.exp(one - most) for one in logarithms))
