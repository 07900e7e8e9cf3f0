"""How much likelier one essay was than the other, by the probabilities of the token in which the answer says so."""

import math
from collections.abc import Sequence
from typing import Final

from event_contracts import LogOdds
from pydantic import BaseModel

from llm_provider.adapters.vendor_api.wire_types import Lenient

TOP_K: Final = 20
"""As many as OpenAI and the servers that follow it give for each token."""

_BEFORE: Final = "Essay "
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
    tokens: Sequence[WrittenToken] | None, *, constrained: bool, temperature: float | None
) -> LogOdds | None:
    """The log-odds of slot A in the token that names the winner; None where the tokens do not show it.

    An alternative counts for the essay that it would have named in the same place. Where one essay is not among the
    alternatives, the least of them bounds it.
    """
    place = _naming_token(tokens or ())
    if tokens is None or place is None:
        return None
    index, offset = place
    written = tokens[index]
    before, slot = written.token[:offset], written.token[offset]
    alternatives = written.top_logprobs or []
    known = {
        name: _log_sum([one.logprob for one in alternatives if one.token[: offset + 1] == before + name])
        for name in _SLOTS
    }
    known[slot] = written.logprob if known[slot] is None else known[slot]
    other = _SLOTS[slot == "A"]
    bound = min((one.logprob for one in alternatives), default=None)
    censored = known[other] is None
    first, second = (known[name] if known[name] is not None else bound for name in _SLOTS)
    if first is None or second is None or not math.isfinite(first - second):
        return None
    return LogOdds(
        value=max(-1_000.0, min(first - second, 1_000.0)),
        tokens=tuple(before + name for name in _SLOTS),
        top_k=max(1, min(len(alternatives), 100)),
        censored=censored,
        constrained=constrained,
        before_reasoning=True,
        temperature=temperature,
    )


def _naming_token(tokens: Sequence[WrittenToken]) -> tuple[int, int] | None:
    """The place of the token that holds the winner's letter, and of the letter within it."""
    text = "".join(token.token for token in tokens)
    found = text.find(_BEFORE)
    letter = found + len(_BEFORE)
    if found < 0 or text[letter : letter + 1] not in _SLOTS:
        return None
    start = 0
    for index, token in enumerate(tokens):
        if start <= letter < start + len(token.token):
            return index, letter - start
        start += len(token.token)
    return None


def _log_sum(logarithms: Sequence[float]) -> float | None:
    if not logarithms:
        return None
    most = max(logarithms)
    if not math.isfinite(most):
        return None
    return most + math.log(sum(math.exp(one - most) for one in logarithms))
