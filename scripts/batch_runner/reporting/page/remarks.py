"""What a run remarks on, in the language of the page: phrases of the readers and the services, word for word."""

import re
from collections.abc import Mapping
from typing import Final

from batch_runner.artefact.outcome import Remark
from batch_runner.reporting.page.wording import Language, Wording

LOOK_AT: Final = "look_at"
_COUNT, _PAGE, _QUOTED = r"(?P<n>\d+)", r"page (?P<page>\d+)", r"\(?(?P<text>'.*'|\".*\")\)?"
PHRASES: Final[Mapping[str, re.Pattern[str]]] = {
    name: re.compile(pattern, re.DOTALL)
    for name, pattern in {
        "tracked": r"tracked changes, read as if they were accepted",
        "comments": r"comments left out",
        "comments_n": rf"{_COUNT} comments? left out",
        "comments_page": rf"comments on {_PAGE} left out",
        "pictures": rf"{_COUNT} (?:small )?pictures?, not judged",
        "picture_page": rf"a picture on {_PAGE}, not judged",
        "picture_text": rf"{_PAGE} is a picture with text on it, which is read",
        "letters_page": rf"a few drawn letters on {_PAGE}, not judged",
        "marks_page": rf"marks drawn by hand on {_PAGE}, not judged",
        "signs_page": rf"{_COUNT} signs? without a meaning on {_PAGE}, left out",
        "white_page": rf"white text on {_PAGE}: {_QUOTED}",
        "barely_white": rf"barely visible text, white: {_QUOTED}",
        "barely_tiny": rf"barely visible text, tiny: {_QUOTED}",
        "guessed": r"its encoding is guessed to be (?P<text>.+)",
        "written_page": rf"text written onto the page on {_PAGE} is read after the rest of the page",
        "field_page": rf"a form field on {_PAGE} is read after the rest of the page",
        "margins": rf"the header or footer is left out {_QUOTED}",
        "header": rf"the header is left out {_QUOTED}",
        "footer": rf"the footer is left out {_QUOTED}",
        "hidden": rf"hidden text is left out {_QUOTED}",
        "hidden_n": rf"hidden text is left out \({_COUNT} words?: (?P<text>'.*'|\".*\")\)",
        "placeholder": rf"the prompt of an empty content control is left out \({_COUNT} words?: (?P<text>.*)\)",
        "unlinked": r"too few of its comparisons were judged to link it to the others",
        "none_judged": rf"none of its {_COUNT} comparisons could be judged",
        "not_fetched": r"CONTENT_SERVICE_ERROR: (?P<text>.*)",
        "not_stored": r"RESOURCE_NOT_FOUND: nothing is stored under its id",
        "not_text": r"TEXT_EXTRACTION_FAILED: the content is not UTF-8 text",
        "nul": r"TEXT_EXTRACTION_FAILED: the content holds NUL characters; it is not text",
        "no_text": r"EMPTY_CONTENT: the essay has no text",
        "too_long": rf"CONTENT_TOO_LONG: over {_COUNT} characters",
        "differs": r"published (?P<a>\S+); the recorded comparisons give (?P<b>\S+)",
        "no_score": r"published (?P<a>\S+); the recorded comparisons give no score",
    }.items()
}


def said(remark: Remark, say: Wording) -> tuple[str, Language]:
    """A remark in the page's language, or as it was written, with the language that it is in."""
    if remark.kind == LOOK_AT:
        signals = [say.optional(f"signal_{name}", name) for name in remark.message.split(", ")]
        return say("look_at", why=", ".join(signals)), say.language
    if say.language is Language.ENGLISH:
        return remark.message, Language.ENGLISH
    return translated(remark.message, say)


def translated(message: str, say: Wording) -> tuple[str, Language]:
    """A message that may begin with its file's name; one that no phrase fits stays in English."""
    file, _, phrase = message.rpartition(": ") if "'" not in message else message.partition(": ")
    for begin, rest in (("", message), (f"{file}: ", phrase)):
        for name, pattern in PHRASES.items():
            fits = pattern.fullmatch(rest)
            if fits is not None:
                return begin + say(f"remark_{name}", **fits.groupdict()), say.language
    return message, Language.ENGLISH
