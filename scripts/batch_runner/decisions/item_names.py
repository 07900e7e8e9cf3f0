"""The names of items in a file of decisions: one name for what different programs spell differently."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from event_contracts import InvalidRequest

_WHOLE: Final = re.compile(r"^(-?\d+)\.0+$")
_DECIMAL: Final = re.compile(r"^-?\d+\.\d*[1-9]\d*$")
_SPACES: Final = re.compile(r"\s+")
NAMES_SHOWN: Final = 5


def composed(name: str) -> str:
    """The name with letters and accents put together (NFC), without spaces around it or several within."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", name)).strip()


@dataclass(frozen=True, slots=True)
class ItemNames:
    """The name used for each name in the file, with remarks and doubts about them."""

    name_of: Mapping[str, str]
    remarks: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def item_names(names: Iterable[str]) -> ItemNames:
    """Names as they are used: "1.0" is "1" where both occur, as some programs turn numbers with gaps into decimals.

    Raises ``InvalidRequest`` where "1" and "1.0" may be two things, because other names have decimals too.
    """
    distinct = set(names)
    whole = {name: found[1] for name in distinct if (found := _WHOLE.match(name))}
    doubled = {name: number for name, number in whole.items() if number in distinct}
    decimals = sorted(name for name in distinct if _DECIMAL.match(name))
    if doubled and decimals:
        name, number = next(iter(sorted(doubled.items())))
        raise InvalidRequest(
            f"{number!r} and {name!r} may be one item or two, as there is also {decimals[0]!r}; write each item in"
            " one way"
        )
    used = {name: whole[name] if doubled and name in whole else name for name in distinct}
    remarks = []
    if doubled:
        shown = ", ".join(f"{name!r} as {used[name]!r}" for name in sorted(doubled)[:NAMES_SHOWN])
        remarks.append(f"whole numbers with and without decimals are one item: {shown}")
    return ItemNames(used, tuple(remarks), tuple(_alike(set(used.values()))))


def _alike(names: set[str]) -> list[str]:
    """Names that a person may take for one."""
    by_form: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        by_form[unicodedata.normalize("NFKC", name).casefold()].append(name)
    by_number: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        if name.isascii() and name.isdecimal():
            by_number[name.lstrip("0") or "0"].append(name)
    groups = [
        (what, group)
        for what, known in (("in case or form", by_form), ("in leading zeros", by_number))
        for group in known.values()
        if len(group) > 1
    ]
    shown = [f"{' and '.join(map(repr, group))} differ only {what}" for what, group in groups[:NAMES_SHOWN]]
    more = len(groups) - len(shown)
    return (
        [
            f"items that may be one are ranked as two: {'; '.join(shown)}"
            + (f" and {more} more" if more > 0 else "")
        ]
        if groups
        else []
    )
