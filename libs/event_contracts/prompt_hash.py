"""The fingerprint of a judgement's prompt: equal when the same model is asked the same, different otherwise.

Canonical JSON: keys sorted by code point, no white space, non-ASCII characters as they are, UTF-8. A number
that is whole is written without a fraction (0.0 as 0), because a setting read from JSON and one written in
code must not differ by that; NaN and infinities are refused. Text is hashed as it is, not normalised to NFC:
two spellings of one letter are different tokens to a model.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from event_contracts.errors import InvalidRequest


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
    return hashlib.sha256(
        canonical_json(
            {
                "answer_schema": dict(answer_schema) if answer_schema is not None else None,
                "model": model,
                "parameters": dict(parameters),
                "provider": provider,
                "system_text": system_text,
                "user_blocks": list(user_blocks),
            }
        )
    ).hexdigest()


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
        raise InvalidRequest(
            "the prompt or its parameters hold a NaN, an infinity or broken text: send plain JSON"
        ) from error


def _whole_numbers(value: JsonValue) -> JsonValue:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole_numbers(item) for key, item in value.items()}
    return [_whole_numbers(item) for item in value] if isinstance(value, list) else value
