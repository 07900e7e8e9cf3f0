"""Reading a judge's answer: it fits the schema exactly, or it is not a vote."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from event_contracts import MAX_JUSTIFICATION, ErrorCode, JsonObject, LogOdds, SuiteError, Winner
from event_contracts.judging import MARGINS

from llm_provider.domain.requests.storable import is_storable

_FIELDS = frozenset({"winner", "justification", "confidence"})
_OPTIONAL = frozenset({"margin"})
_FULL_STOP = re.compile(r"[.!?…][\"'”’)»]*(?=\s|$)")
_FENCE = re.compile(r"^\s*```")
_NEXT_WORD = re.compile(r"\s*[\"'“‘(«]*(\w)?")


class Defect(StrEnum):
    """What is wrong with an answer."""

    NOT_JSON = "not_json"
    NOT_THE_SCHEMA = "not_the_schema"
    TOO_LONG = "too_long"
    CUT_OFF = "cut_off"
    REFUSAL = "refusal"
    FENCED = "fenced"
    BROKEN_OFF = "broken_off"
    PROMPT_CUT = "prompt_cut"


class InvalidAnswer(SuiteError):
    """The model answered with something other than the one JSON object it was asked for."""

    code = ErrorCode.LLM_INVALID_RESPONSE

    def __init__(self, message: str, *, defect: Defect) -> None:
        super().__init__(message, details={"defect": defect, "scope": "comparison", "stops_batch": False})
        self.defect = defect


class PromptCut(InvalidAnswer):
    """The model answered about the beginning of the prompt: its server truncated the prompt."""

    code = ErrorCode.LLM_CONTENT_TOO_LONG

    def __init__(self, *, read: int, least: int) -> None:
        super().__init__(
            f"the model's server read {read} tokens of a prompt of at least {least}, so the judge saw a part of the"
            " essays: raise the server's context length (Ollama: OLLAMA_CONTEXT_LENGTH, vLLM: --max-model-len,"
            " llama.cpp: --ctx-size, LM Studio: Context Length), or shorten the essays",
            defect=Defect.PROMPT_CUT,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a judge decided; ``margin`` from 1 (slightly better) to 3 (far better), None where it states none."""

    winner: Winner
    justification: str
    confidence: int
    margin: int | None = None
    log_odds_a: LogOdds | None = None


def read_verdict(text: str, *, may_truncate: bool = False) -> Verdict:
    """Parse and check; raises ``InvalidAnswer`` for anything but one JSON object that fits the answer schema.

    ``may_truncate`` is for vendors that cannot enforce a length: a justification that is too long then ends after its
    last sentence that fits, and one whose first sentence does not fit is invalid all the same.
    """
    answer = _json_object(text)
    if frozenset(answer) - _OPTIONAL != _FIELDS:
        raise _schema_mismatch("its fields are not winner, margin, justification and confidence")
    return Verdict(
        winner=_winner(answer["winner"]),
        justification=_justification(answer["justification"], may_truncate=may_truncate),
        confidence=_confidence(answer["confidence"]),
        margin=_margin(answer["margin"]) if "margin" in answer else None,
    )


def _json_object(text: str) -> JsonObject:
    try:
        answer = _STRICT_JSON.decode(text)
    except (ValueError, RecursionError) as error:
        if _FENCE.search(text):
            raise InvalidAnswer("the answer is JSON inside a code fence", defect=Defect.FENCED) from error
        raise InvalidAnswer("the answer is not one JSON object", defect=Defect.NOT_JSON) from error
    if not isinstance(answer, dict):
        raise InvalidAnswer("the answer is not one JSON object", defect=Defect.NOT_JSON)
    return answer


def _winner(value: object) -> Winner:
    if not isinstance(value, str) or value not in list(Winner):
        raise _schema_mismatch(f"winner is neither {Winner.ESSAY_A} nor {Winner.ESSAY_B}")
    return Winner(value)


def _margin(value: object) -> int:
    if not isinstance(value, str) or value not in MARGINS:
        raise _schema_mismatch(f"margin is none of {', '.join(MARGINS)}")
    return MARGINS.index(value) + 1


def _justification(value: object, *, may_truncate: bool) -> str:
    if not isinstance(value, str) or not is_storable(value):
        raise _schema_mismatch("justification is not text")
    if len(value) <= MAX_JUSTIFICATION:
        return value
    ends = [end for end in _sentence_ends(value) if end <= MAX_JUSTIFICATION]
    if not may_truncate or not ends:
        raise InvalidAnswer(
            f"justification has {len(value)} characters, more than {MAX_JUSTIFICATION}",
            defect=Defect.TOO_LONG,
        )
    return value[: ends[-1]]


def _sentence_ends(text: str) -> Iterator[int]:
    """Where sentences end: a full stop before a word in lower case or a number belongs to an abbreviation."""
    for stop in _FULL_STOP.finditer(text):
        following = _NEXT_WORD.match(text, stop.end())
        if following is None or following[1] is None or following[1].isupper():
            yield stop.end()


def _confidence(value: object) -> int:
    """A whole number as JSON Schema means it: 3.0 is one, true is not."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in range(1, 6):
        raise _schema_mismatch("confidence is not a whole number from 1 to 5")
    return int(value)


def _schema_mismatch(reason: str) -> InvalidAnswer:
    return InvalidAnswer(f"the answer does not fit the schema: {reason}", defect=Defect.NOT_THE_SCHEMA)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object of these pairs; duplicate keys are rejected."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate field")
    return found


_STRICT_JSON = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_unique)
