"""Text from outside, made safe for a terminal."""


def printable(name: str) -> str:
    """A file's name for messages: bytes that are not UTF-8 and control characters are escaped."""
    readable = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in readable
    )
