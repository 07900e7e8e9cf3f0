"""Text from outside, made safe for a terminal."""


def printable(text: str, *, kept: str = "") -> str:
    """Text for messages: bytes that are not UTF-8 and control characters, but those ``kept``, are escaped."""
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        each if each.isprintable() or each in kept else each.encode("unicode_escape").decode("ascii")
        for each in readable
    )
