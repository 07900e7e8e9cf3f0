"""Why a document cannot be read: errors whose message says where, why and what to do."""

from typing import Final

from event_contracts import ErrorCode, InvalidRequest

REASONS_SHOWN: Final = 3


class UnreadableDocument(InvalidRequest):
    """The document cannot be read whole."""

    code = ErrorCode.TEXT_EXTRACTION_FAILED


class EncryptedDocument(UnreadableDocument):
    """The document is protected by a password."""

    code = ErrorCode.ENCRYPTED_FILE_UNSUPPORTED


class EmptyDocument(UnreadableDocument):
    """The document holds no text."""

    code = ErrorCode.EMPTY_CONTENT


def refuse_for(reasons: list[str]) -> None:
    """Raise ``UnreadableDocument`` with the first few reasons, if there are any."""
    distinct = list(dict.fromkeys(reasons))
    if distinct:
        more = len(distinct) - REASONS_SHOWN
        shown = [*distinct[:REASONS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        raise UnreadableDocument("; ".join(shown))
