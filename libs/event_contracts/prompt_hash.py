"""The fingerprint of a judgement's prompt: equal when the same model is asked the same, different otherwise.

Canonical JSON: keys sorted by code point, no white space, non-ASCII characters as they are, UTF-8. A number
that is whole is written without a fraction (0.0 as 0), because a setting read from JSON and one written in
code must not differ by that; NaN and infinities are refused. Text is hashed as it is, not normalised to NFC:
two spellings of one letter are different tokens to a model.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue, TypeAdapter

from event_contracts.errors import InvalidRequest

_SYSTEM = TypeAdapter(str | None)
_BLOCKS = TypeAdapter(list[str])
NOT_CANONICAL = "the prompt or its parameters hold a NaN, an infinity or broken text: send plain JSON"


def prompt_sha256(
    *,
    system_text: str | None,
    user_blocks: Sequence[str],
    answer_schema: Mapping[str, JsonValue] | None,
    provider: str,
    model: str,
    parameters: Mapping[str, JsonValue],
) -> str:
    """SHA-256, 64 lower-case hexadecimal digits, over everything that determines the judgement.

    `user_blocks` are in the order in which they are sent; no block and an empty block differ. Raises
    InvalidRequest for a number that JSON cannot hold and for text that UTF-8 cannot (lone surrogates).
    """
    judge = judge_identity(answer_schema=answer_schema, provider=provider, model=model, parameters=parameters)
    return prompt_sha256_for(judge, system_text=system_text, user_blocks=user_blocks)


def judge_identity(
    *,
    answer_schema: Mapping[str, JsonValue] | None,
    provider: str,
    model: str,
    parameters: Mapping[str, JsonValue],
) -> bytes:
    """The part of a fingerprint that all prompts for one judge share: kept, it saves most of the work."""
    return canonical_json(
        {
            "answer_schema": dict(answer_schema) if answer_schema is not None else None,
            "model": model,
            "parameters": dict(parameters),
            "provider": provider,
        }
    )


def prompt_sha256_for(judge: bytes, *, system_text: str | None, user_blocks: Sequence[str]) -> str:
    """As `prompt_sha256`, with the judge as `judge_identity` gives it; its keys come first in the alphabet."""
    # For text pydantic's JSON is canonical, and quicker; numbers it writes in another way.
    try:
        texts = b',"system_text":%b,"user_blocks":%b}' % (
            _SYSTEM.dump_json(system_text),
            _BLOCKS.dump_json(list(user_blocks)),
        )
    except ValueError as error:
        raise InvalidRequest(NOT_CANONICAL) from error
    return hashlib.sha256(judge[:-1] + texts).hexdigest()


def canonical_json(value: JsonValue) -> bytes:
    """The one way to write this value, as the module's docstring says."""
    try:
        return json.dumps(
            _whole_numbers(value),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        ).encode()
    except ValueError as error:
        raise InvalidRequest(NOT_CANONICAL) from error


def _whole_numbers(value: JsonValue) -> JsonValue:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole_numbers(item) for key, item in value.items()}
    return [_whole_numbers(item) for item in value] if isinstance(value, list) else value
