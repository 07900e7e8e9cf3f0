"""Names of essays: composed the same way everywhere, accepted by the services, and different from each other."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from command_line.printable import printable
from event_contracts import is_identifier

_SPACES: Final = re.compile(r"\s+")


def composed(name: str) -> str:
    """The name with its letters and accents put together (NFC): computers write "å" in two ways."""
    return unicodedata.normalize("NFC", name)


def is_utf8(name: str) -> bool:
    """Whether a file's name is text. Bytes that are not come as lone surrogates."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def form_of(name: str) -> str:
    """A key that is equal for names which are easily confused."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", name)).strip().casefold()


def problems_of_ids(named: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What is wrong with ids, given with where each comes from: not accepted, or hard to tell from another."""
    by_form: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for essay_id, source in named:
        by_form[form_of(essay_id)].append((essay_id, source))
        if not is_identifier(essay_id):
            yield (
                f"{source}: '{printable(essay_id)[:80]}' is not an essay id (up to 255 printable characters, no '/');"
                " give the file a shorter or plainer name"
            )
    for alike in by_form.values():
        if len(alike) > 1:
            ids = list(dict.fromkeys(essay_id for essay_id, _ in alike))
            sources = ", ".join(dict.fromkeys(source for _, source in alike))
            if len(ids) == 1:
                yield f"essay id used more than once: {ids[0]}; give each essay its own id or file name ({sources})"
            else:
                shown = ", ".join(repr(essay_id) for essay_id in ids)
                yield f"essay ids that differ only in case or form: {shown}; give each essay its own id ({sources})"
