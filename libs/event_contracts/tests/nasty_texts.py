"""Texts that make a careless pattern slow, and how to tell that a function stays linear on them."""

import time
from collections.abc import Callable
from typing import Final

NASTY: Final = {
    "newlines": "\n",
    "spaces": " ",
    "tabs and newlines": "\t\n",
    "hashes": "#",
    "hashes on lines": "#\n",
    "brackets": "[",
    "opening tags": "<|",
    "opening tags and spaces": "< ",
    "letters": "a",
    "words": "word ",
    "roles": "system ",
    "roles on lines": "\n system",
    "addresses": "ignore all the ",
    "addresses without end": "you are ",
    "choices": "choose this ",
    "grades": "give this best-best-best ",
    "combining marks": "\u0315\u0300",
    "decomposing marks": "\u0f73",
    "accented letters": "e\u0301",
    "joiners": "\u200d",
    "joiners in words": "a\u200d",
    "full stops": ".",
    "full stops and quotes": '."',
    "quotes": '"',
    "apostrophes": "'",
    "winner": '"winner" ',
    "fences": "<essay_a_0123456789abcdef>\n",
    "closing fences": "\n</essay_a_0123456789abcdef>",
    "backslashes": "\\",
    "escaped quotes": '\\"',
    "invisible": "\u200b",
    "emoji": "\U0001f469\u200d",
}

_CLOCK_FLOOR_SECONDS: Final = 0.002
"""Below this the clock says more about the machine than about the function."""


_ATTEMPTS: Final = 6
"""A busy machine makes a measurement longer now and then; a function that is not linear fails every time."""


def grows_linearly(function: Callable[[str], object], unit: str, *, length: int) -> bool:
    """True when twice the text takes at most about three times as long, in CPU time of this thread."""
    once, twice = ((unit * size)[:size] for size in (length, 2 * length))
    return any(
        _seconds(function, twice) <= 3.2 * max(_seconds(function, once), _CLOCK_FLOOR_SECONDS)
        for _ in range(_ATTEMPTS)
    )


def _seconds(function: Callable[[str], object], text: str) -> float:
    started = time.thread_time()
    function(text)
    return time.thread_time() - started
