"""What a run remarks on is said in Swedish on a Swedish page, in the words of the code that remarks on it."""

import ast
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree.ElementTree import Element

import batch_runner.reading
import pytest
from batch_runner.reading.account import Account
from batch_runner.reading.files import read_here
from batch_runner.reading.pictures import counted
from batch_runner.reading.word.body import HIDDEN, PLACEHOLDER
from batch_runner.reporting.page.remarks import translated
from batch_runner.reporting.page.wording import Language, Wording
from batch_runner.running.assembling import _differences

READERS = Path(batch_runner.reading.__file__).parent
QUOTED = ("'a: b'", '"it\'s: b"')
VALUES = {
    "where": ("page 3",),
    "number": ("3",),
    "kind": ("header", "footer"),
    "'white' if white else 'tiny'": ("white", "tiny"),
}
"""What stands in the readers' messages in place of their variables."""


def readers() -> Iterator[ast.Call]:
    """Every call in the readers' modules."""
    for path in sorted(READERS.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def written_onto_pages() -> tuple[str, ...]:
    """What a PDF's reader calls text that was written onto a page."""
    return tuple(
        str(ast.literal_eval(call.args[0]))
        for call in readers()
        if isinstance(call.func, ast.Name) and call.func.id == "AnnotationText"
    )


def values_of(part: ast.expr) -> tuple[str, ...]:
    """Examples of one part of a message."""
    if isinstance(part, ast.Constant):
        return (str(part.value),)
    assert isinstance(part, ast.FormattedValue)
    if part.conversion == ord("r"):
        return QUOTED
    match part.value:
        case ast.Call(func=ast.Name(id="counted"), args=[_, ast.Constant(value=str(what))]):
            return (counted(1, what), counted(2, what))
    expression = ast.unparse(part.value)
    return written_onto_pages() if expression == "written.what" else VALUES[expression]


def noted() -> Iterator[str]:
    """An example of every message that a reader notes about a document, with each of its forms."""
    for call in readers():
        if isinstance(call.func, ast.Attribute) and call.func.attr == "note":
            [message] = call.args
            parts = message.values if isinstance(message, ast.JoinedStr) else [message]
            yield from map("".join, product(*map(values_of, parts)))


def in_swedish(message: str) -> bool:
    return translated(message, Wording(Language.SWEDISH))[1] is Language.SWEDISH


def test_every_note_of_a_reader_is_translated() -> None:
    messages = set(noted())

    assert {
        "1 picture, not judged",
        "comments on page 3 left out",
        "the footer is left out ('a: b')",
    } <= messages
    for message in messages:
        assert in_swedish(message), message
        assert in_swedish(f"anna.docx: {message}"), message


@pytest.mark.parametrize("reason", [HIDDEN, PLACEHOLDER])
def test_what_a_document_leaves_out_is_translated(reason: str) -> None:
    account, element = Account(), Element("t")
    element.text = "it's: two"
    account.leave_out(element, reason)

    [message] = account.all_notes()

    assert in_swedish(message), message


@pytest.mark.parametrize(
    ("name", "content", "notes"),
    [
        ("a.txt", "Åsa går hem.".encode("cp1252"), 1),
        ("a.html", b"<p>Seen.<span hidden>no</span></p><img src=a.png width=9 height=9>", 2),
        ("a.rtf", rb"{\rtf1{\header Anna}Seen.{\v secret}{\deleted gone}{\*\annotation Good!}}", 4),
    ],
)
def test_what_is_noted_of_text_without_an_account_is_translated(
    tmp_path: Path, name: str, content: bytes, notes: int
) -> None:
    (tmp_path / name).write_bytes(content)

    found = read_here(tmp_path / name).notes

    assert len(found) == notes
    for message in found:
        assert in_swedish(message), message


def test_scores_that_differ_are_remarked_on_in_swedish() -> None:
    published = [SimpleNamespace(essay_id=name, bt_score=0.25) for name in ("a", "b")]
    ours = [SimpleNamespace(essay_id="a", theta=-1.5)]

    remarks = list(_differences(cast(Any, SimpleNamespace(essay_results=published)), cast(Any, ours), {}))

    assert len(remarks) == 2
    for remark in remarks:
        assert in_swedish(remark.message), remark.message
