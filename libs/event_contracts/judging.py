"""What a judge is shown and must answer: the fence around the two texts, and the answer's JSON Schema.

The texts of a pair are data. Each stands between markers whose name ends in a boundary derived from both
texts, so that no text can close its own fence, and the same pair always gives the same prompt.
"""

import hashlib
import re
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from event_contracts.fields import JsonObject

LABEL_A: Final = "Essay A"
LABEL_B: Final = "Essay B"
MAX_JUSTIFICATION: Final = 500

MARGINS: Final = ("slightly better", "clearly better", "far better")
"""What a judge may say of the winner; on the wire a margin is a place in this list, from 1."""

ASKED_SCHEMA: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "winner": {"type": "string", "enum": [LABEL_A, LABEL_B]},
        "margin": {"type": "string", "enum": [*MARGINS]},
        "justification": {"type": "string", "maxLength": MAX_JUSTIFICATION},
        "confidence": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["winner", "margin", "justification", "confidence"],
    "additionalProperties": False,
}
"""JSON Schema of what judges are asked for. Models write in this order: who is better, and by how much, before why."""

ANSWER_SCHEMA: Final[JsonObject] = {
    **ASKED_SCHEMA,
    "required": ["winner", "justification", "confidence"],
}
"""JSON Schema of a judge's answer; anything else is rejected, never repaired.

An answer without a margin is a vote without one: so answer models that cannot be held to what they are asked.
"""

MAX_SCHEMA_TOKENS: Final = 2_000
"""Maximum number of tokens that a vendor adds to a prompt to describe the answer's schema."""

_OPENING = re.compile(r"<essay_([ab])_([0-9a-f]{16})>\n")
_CLOSING = re.compile(r"\n</essay_([ab]_[0-9a-f]{16})>")


@dataclass(frozen=True, slots=True)
class FencedPair:
    """The two blocks of a comparison, each a label and a fenced text."""

    essay_a: str
    essay_b: str


def fence_pair(text_a: str, text_b: str) -> FencedPair:
    """Put each text between markers that it cannot contain."""
    boundary = _boundary(text_a, text_b)
    return FencedPair(
        essay_a=f"{LABEL_A}:\n<essay_a_{boundary}>\n{text_a}\n</essay_a_{boundary}>",
        essay_b=f"{LABEL_B}:\n<essay_b_{boundary}>\n{text_b}\n</essay_b_{boundary}>",
    )


def read_fenced_pair(prompt: str) -> tuple[str, str]:
    """The two texts of a prompt made with ``fence_pair``; raises ``ValueError`` unless both are there."""
    closings: dict[str, list[int]] = defaultdict(list)
    for closing in _CLOSING.finditer(prompt):
        closings[closing[1]].append(closing.start())
    found: dict[str, str] = {}
    position = 0
    while opening := _OPENING.search(prompt, position):
        position = opening.end()
        ends = closings[f"{opening[1]}_{opening[2]}"]
        following = bisect_left(ends, position)
        if following < len(ends):
            found[opening[1]] = prompt[position : ends[following]]
            position = ends[following]
    if set(found) != {"a", "b"}:
        raise ValueError("the prompt does not hold two fenced essays")
    return found["a"], found["b"]


def text_sha256(text: str) -> str:
    """SHA-256 (hex) of a text with ``\\n`` line ends and nothing after its last word: the text's identity."""
    return hashlib.sha256(normalize_newlines(text).encode()).hexdigest()


def normalize_newlines(text: str) -> str:
    """The text with ``\\n`` line ends and nothing after its last word."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip()


def _boundary(text_a: str, text_b: str) -> str:
    digest = hashlib.sha256()
    for text in (text_a, text_b):
        encoded = text.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()[:16]
