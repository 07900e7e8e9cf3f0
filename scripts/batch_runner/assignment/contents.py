"""What an assignment holds once it is read and checked."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from event_contracts import CourseCode


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file that a text was read from: its path within the assignment, and the SHA-256 of its bytes."""

    path: str
    sha256: str

    @classmethod
    def of(cls, path: Path, name: str) -> "SourceFile":
        """The file at ``path``, called ``name`` in messages and records; raises ``OSError``."""
        with path.open("rb") as opened:
            return cls(path=name, sha256=hashlib.file_digest(opened, "sha256").hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentEssay:
    """One student's text. ``student`` is the name of its file or folder, ``authors`` those of its properties."""

    essay_id: str
    text: str
    student: str = ""
    authors: tuple[str, ...] = ()
    file: SourceFile | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorText:
    """A text whose grade is known."""

    label: str
    grade: str
    text: str
    file: SourceFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Everything that a run needs, read and checked.

    ``left_out`` names files that are not essays; ``notes`` say what the documents show and their texts leave out.
    ``files`` are those of the parts: ``student_prompt``, ``instructions``, ``rubric``.
    """

    title: str
    assignment_id: str | None = None
    course_id: str | None = None
    course_code: CourseCode
    language: str
    grade_scale: str | None = None
    student_prompt: str | None = None
    instructions: str | None = None
    rubric: str | None = None
    essays: tuple[StudentEssay, ...]
    anchors: tuple[AnchorText, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: Mapping[str, SourceFile] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text that is judged, essays first."""
        return (*(essay.text for essay in self.essays), *(anchor.text for anchor in self.anchors))

    @property
    def words(self) -> int:
        """Words in all texts."""
        return sum(len(text.split()) for text in self.texts)
