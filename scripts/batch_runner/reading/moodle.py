"""How Moodle names what it exports: a folder or a file for each student, "Anna Ek_1234_assignsubmission_file_"."""

import re
from dataclasses import dataclass
from typing import Final

_SUBMISSION: Final = re.compile(
    r"^(?P<student>.*?)_(?P<number>\d+)_assignsubmission_(?P<what>file|onlinetext)(?:_(?P<file>.*))?$",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Submission:
    """Who handed in, by name and by the number that Moodle gives, and the name of the file where there is one."""

    student: str
    number: str
    file: str


def submission(name: str) -> Submission | None:
    """What the name of an exported folder or file says; None for other names."""
    found = _SUBMISSION.match(name)
    if found is None:
        return None
    return Submission(found["student"], found["number"], found["file"] or "")
