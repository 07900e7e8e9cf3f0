"""Documents are read in a process of their own: one that hangs or breaks it does not end the run."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from batch_runner.reading import reading_process
from batch_runner.reading.errors import EmptyDocument, UnreadableDocument
from batch_runner.reading.essays import read_document, read_documents
from batch_runner.reading.isolation import Reader
from batch_runner.tests.documents import open_document, paragraph, pdf_document, shown, word_document

TEXT = "Åsa 😀 – “text”"


@pytest.fixture
def reader_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The path of a program that stands in for the reading process; a test writes it."""
    program = tmp_path / "reader.py"

    def popen(_: list[str], **options: object) -> object:
        return original([sys.executable, str(program)], **options)

    original: Any = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", popen)
    return str(program)


def test_every_format_comes_back_whole(tmp_path: Path) -> None:
    word = word_document(tmp_path / "a.docx", paragraph(TEXT))
    open_text = open_document(tmp_path / "b.odt", f"<text:p>{TEXT}</text:p>")
    pdf = pdf_document(tmp_path / "c.pdf", shown("A text."))
    plain = tmp_path / "d.txt"
    plain.write_text(TEXT, "utf-8")

    read = read_documents([(path, path.name) for path in (word, open_text, pdf, plain)])

    assert [getattr(document, "text", document) for document in read] == [TEXT, TEXT, "A text.", TEXT]


def test_reasons_come_back_with_their_kind_and_the_files_name(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match=r"^a\.docx: it holds no text$"):
        read_document(word_document(tmp_path / "a.docx", paragraph()))


def test_a_document_that_takes_too_long_is_refused_and_the_next_is_read(
    reader_that: str, tmp_path: Path
) -> None:
    Path(reader_that).write_text("import time\ntime.sleep(600)\n", "utf-8")
    path = word_document(tmp_path / "a.docx", paragraph(TEXT))
    with Reader(seconds=1) as reader, pytest.raises(UnreadableDocument, match="took longer than 1 s to read"):
        reader.read(path)

    with Reader(seconds=600) as reader:
        Path(reader_that).write_text(
            'input()\nprint(\'{"text": "next", "notes": [], "authors": []}\', flush=True)\ninput()\n', "utf-8"
        )

        assert reader.read(path).text == "next"


def test_a_document_that_ends_the_process_is_refused(reader_that: str, tmp_path: Path) -> None:
    Path(reader_that).write_text("import os\ninput()\nos.abort()\n", "utf-8")

    with Reader() as reader, pytest.raises(UnreadableDocument, match="ended the program that read it"):
        reader.read(word_document(tmp_path / "a.docx", paragraph(TEXT)))


@pytest.mark.skipif(sys.platform == "win32", reason="the system cannot limit a process's memory")
def test_the_reading_process_cannot_take_more_memory_than_it_is_allowed() -> None:
    program = (
        "from batch_runner.reading.bounds import READ_MEMORY\n"
        "from batch_runner.reading.reading_process import limit_memory\n"
        "limit_memory()\n"
        "try:\n    bytearray(READ_MEMORY)\n"
        "except MemoryError:\n    print('refused')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=True)

    assert ended.stdout == b"refused\n"


def test_running_out_of_memory_or_depth_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: Path) -> None:
        raise MemoryError

    monkeypatch.setattr(reading_process, "read_here", exhausted)

    assert (
        reading_process.answer(tmp_path)["message"]
        == "takes too much memory to read; save it again, or as plain text"
    )


def test_the_reading_process_ends_with_its_reader(tmp_path: Path) -> None:
    with Reader() as reader:
        reader.read(word_document(tmp_path / "a.docx", paragraph(TEXT)))
        assert reader._process is not None
        number = reader._process.process.pid

    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
