"""Reading a judge's answer: it fits the schema exactly, or it is no vote."""

import json
from dataclasses import dataclass

from event_contracts import ErrorCode, SuiteError, Winner
from event_contracts.judging import ANSWER_SCHEMA
from jsonschema import Draft202012Validator


class UnreadableAnswer(SuiteError):
    """The model answered something else than the JSON object it was asked for."""

    code = ErrorCode.LLM_PARSING_ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a judge decided."""

    winner: Winner
    justification: str
    confidence: int


_VALIDATOR = Draft202012Validator(ANSWER_SCHEMA)


def read_verdict(text: str) -> Verdict:
    """Parse and check; raises ``UnreadableAnswer`` for anything but one JSON object that fits the schema."""
    try:
        answer = json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        raise UnreadableAnswer("the answer is not one JSON object") from error
    problem = next(iter(_VALIDATOR.iter_errors(answer)), None)
    if problem is not None:
        place = "/".join(str(part) for part in problem.absolute_path) or "answer"
        raise UnreadableAnswer(f"the answer does not fit the schema: {place} breaks {problem.validator!r}")
    return Verdict(
        winner=Winner(answer["winner"]),
        justification=answer["justification"],
        confidence=int(answer["confidence"]),
    )


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
