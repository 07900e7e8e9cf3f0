"""Reading a PDF: the text of all pages, or a refusal that names the pages that show more than their text says."""

from pathlib import Path
from typing import Any, Final

import pypdfium2
import pypdfium2.raw as raw

from batch_runner.reading.account import Account
from batch_runner.reading.bounds import MAX_PAGES
from batch_runner.reading.document import Document
from batch_runner.reading.errors import EncryptedDocument, UnreadableDocument, refuse_for
from batch_runner.reading.pdf.layout import Page
from batch_runner.reading.pdf.painted import audit_page
from batch_runner.reading.pdf.pdfium import look_at, open_document
from batch_runner.reading.pictures import counted

_XFA: Final = (raw.FORMTYPE_XFA_FULL, raw.FORMTYPE_XFA_FOREGROUND)


def read_pdf(path: Path) -> Document:
    """The text of a document, or ``UnreadableDocument`` with every reason found."""
    try:
        document = open_document(str(path))
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise EncryptedDocument("protected by a password; save it without one") from error
        raise UnreadableDocument(
            "not a PDF that can be opened; open it in its program and save it again"
        ) from error
    try:
        return _read(document)
    except pypdfium2.PdfiumError as error:
        raise UnreadableDocument(f"not a PDF that can be read to its end ({error}); save it again") from error
    finally:
        document.close()


def _read(document: Any) -> Document:
    form = document.get_formtype()
    if form in _XFA:
        raise UnreadableDocument("an XFA form, whose text is not in its pages; print it to a new PDF")
    if form != raw.FORMTYPE_NONE:
        document.init_forms()
    pages = len(document)
    if pages > MAX_PAGES:
        raise UnreadableDocument(f"has {pages} pages, more than {MAX_PAGES}; submit the essay alone")
    account = Account()
    if document.count_attachments():
        account.refuse(
            f"has {counted(document.count_attachments(), 'attached file')}, whose text would be lost; submit one"
            " document with all of the text"
        )
    texts = []
    for number in range(pages):
        page = look_at(document, number)
        _add_what_was_written(page, account, number=number + 1)
        audit_page(page, account, number=number + 1)
        texts.append(page.text.strip("\n"))
    refuse_for(account.refusals)
    author = document.get_metadata_dict().get("Author", "").strip()
    return Document(
        text="\n\n".join(text for text in texts if text.strip()),
        notes=tuple(account.all_notes()),
        authors=(author,) if author else (),
    )


def _add_what_was_written(page: Page, account: Account, *, number: int) -> None:
    """Fields and annotations without an appearance of their own are not in the page's text: they follow it."""
    for written in page.written:
        if "".join(written.text.split()) not in "".join(page.text.split()):
            page.text = f"{page.text.rstrip()}\n{written.text.strip()}\n"
            account.note(f"{written.what} on page {number} is read after the rest of the page")
