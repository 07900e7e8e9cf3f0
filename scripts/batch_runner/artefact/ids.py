"""Ids of essays in the record, from the names that a batch knows them by."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from batch_runner.reading.names import composed

_FITS: Final = re.compile(r"[a-z0-9_-]{3,64}")
_OTHER: Final = re.compile(r"[^a-z0-9_-]+")
_MAX_STEM: Final = 50


def record_ids(names: Iterable[str]) -> dict[str, str]:
    """The record's id of each name: the name itself where it fits, else its plain letters and a piece of its hash.

    The hash is of the whole name, so that two names never share an id, and one name has the same id in every run.
    """
    return {name: name if _FITS.fullmatch(name) else _made(name) for name in names}


def _made(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold().encode("ascii", "ignore").decode()
    stem = _OTHER.sub("-", plain).strip("-")[:_MAX_STEM]
    digest = hashlib.sha256(composed(name).encode()).hexdigest()[:8]
    return f"{stem}-{digest}" if stem else f"essay-{digest}"
