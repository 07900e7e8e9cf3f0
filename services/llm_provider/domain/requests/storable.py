"""What can be stored: JSON can spell characters that no database, and numbers that no message, can hold."""

from event_contracts import MAX_INTEGER


def is_storable(value: object) -> bool:
    """False when a JSON value holds NUL, a lone surrogate or a whole number outside 64 bits, however deep within."""
    if isinstance(value, str):
        return "\x00" not in value and _is_unicode(value)
    if isinstance(value, int):
        return abs(value) <= MAX_INTEGER
    if isinstance(value, dict):
        return all(is_storable(key) and is_storable(inner) for key, inner in value.items())
    return all(is_storable(inner) for inner in value) if isinstance(value, list) else True


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
