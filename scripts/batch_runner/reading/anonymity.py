"""Names of students that appear in their essays: found before anything is sent, so that a person can decide."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from event_contracts import InvalidRequest

from batch_runner.reading.bounds import MAX_TEXT_FILE_BYTES
from batch_runner.reading.encodings import decode
from batch_runner.reading.names import composed

_MIN_NAME_LENGTH: Final = 3
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_NO_NAMES: Final = frozenset(
    {
        "about", "anonymous", "answer", "assignment", "assignsubmission", "author", "blank", "book",
        "chapter", "class", "copy", "document", "docx", "draft", "elev", "english", "engelska", "essay",
        "essays", "exam", "example", "file", "final", "första", "name", "namn", "first", "last",
        "efternamn", "förnamn", "given", "group", "grupp", "handin", "hemtentamen", "inlämning",
        "inlämningsuppgift", "klass", "kopia", "kurs", "course", "microsoft", "new", "number", "nummer",
        "office", "onlinetext", "original", "page", "paper", "part", "participant", "personal", "prov",
        "rubric", "school", "skola", "skoluppgift", "slutversion", "språk", "student", "students",
        "student's", "submission", "surname", "svenska", "swedish", "task", "tenta", "test", "text",
        "the", "title", "två", "uppgift", "uppsats", "user", "utkast", "version", "word", "work",
        "writing", "your", "python-docx", "email", "unknown", "owner", "default", "admin", "and", "och",
        "for", "med", "windows", "apple", "mac", "google", "docs",
    }
)  # fmt: skip
"""Words in names of files and in properties that are not names."""


@dataclass(frozen=True, slots=True)
class NameInText:
    """A name that appears in an essay, how often, and where the name comes from."""

    essay_id: str
    name: str
    times: int
    known_from: str

    def __str__(self) -> str:
        times = "once" if self.times == 1 else f"{self.times} times"
        return f"{self.essay_id}: {self.name!r} appears {times} (from {self.known_from})"


def names_in_texts(
    texts: Mapping[str, str],
    *,
    file_names: Mapping[str, str],
    authors: Mapping[str, Iterable[str]],
    roster: Iterable[str] = (),
) -> tuple[NameInText, ...]:
    """Every name that appears in an essay with a capital letter.

    Of the names of files and of documents' authors those of the essay itself are sought, of the roster all.
    """
    listed = frozenset(word for name in roster for word in _names(name))
    found: list[NameInText] = []
    for essay_id, text in texts.items():
        known: dict[str, str] = {}
        for author in authors.get(essay_id, ()):
            known.update(dict.fromkeys(_names(author), "the document's properties"))
        known.update(dict.fromkeys(_names(file_names.get(essay_id, "")), "the file's name"))
        known.update(dict.fromkeys(listed, "the roster"))
        found += _found(essay_id, composed(text), known)
    return tuple(found)


def _found(essay_id: str, text: str, known: Mapping[str, str]) -> Iterator[NameInText]:
    times: dict[str, int] = defaultdict(int)
    spelt: dict[str, str] = {}
    for word in _WORD.findall(text):
        for part in {word, word.removesuffix("s"), *re.split(r"['’\-]", word)}:
            folded = part.casefold()
            if part[:1].isupper() and folded in known:
                times[folded] += 1
                spelt.setdefault(folded, part)
                break
    for folded, count in times.items():
        yield NameInText(essay_id, spelt[folded], count, known[folded])


def _names(source: str) -> Iterator[str]:
    for word in _WORD.findall(composed(source).replace("_", " ")):
        folded = word.casefold()
        if len(word) >= _MIN_NAME_LENGTH and folded not in _NO_NAMES:
            yield folded


def read_roster(path: Path) -> tuple[str, ...]:
    """The names in a class list: a text with a name on each line, or a CSV; raises ``InvalidRequest``.

    Cells with digits or "@" are numbers and addresses, no names.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TEXT_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidRequest(f"{path.name}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_TEXT_FILE_BYTES:
        raise InvalidRequest(f"{path.name}: too large for a class list; save the names alone")
    try:
        text = decode(content).text
    except InvalidRequest as error:
        raise InvalidRequest(f"{path.name}: {error.message}") from error
    if "\x00" in text or content.startswith(b"PK"):
        raise InvalidRequest(f"{path.name}: not a text; save the class list as .txt or .csv")
    cells = (cell.strip().strip('"') for line in text.splitlines() for cell in re.split(r"[,;\t]", line))
    names = tuple(cell for cell in cells if cell and not re.search(r"[\d@]", cell))
    if not names:
        raise InvalidRequest(f"{path.name}: there are no names in it; write one on each line")
    return names
