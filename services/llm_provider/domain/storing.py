"""Which text can be kept: JSON can spell characters that no database and no message can carry."""


def is_storable(value: object) -> bool:
    """False when a JSON value holds NUL or a lone surrogate, in a text, a key or a value within."""
    if isinstance(value, str):
        return "\x00" not in value and _is_unicode(value)
    if isinstance(value, dict):
        return all(is_storable(key) and is_storable(inner) for key, inner in value.items())
    return all(is_storable(inner) for inner in value) if isinstance(value, list) else True


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
