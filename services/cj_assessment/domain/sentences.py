"""What a sentence does, told from the kinds of words that stand in it together: no list of attempts is ever complete.

One sentence that speaks of judging, of itself and of winning is an appeal, however it is put. Each list is looked for
once per sentence, so the time is proportional to the length of the text.
"""

import re
from collections.abc import Iterator
from typing import Final

MAX_SENTENCE: Final = 600
"""Characters that are checked together: a text without full stops does not count as one sentence."""

_SENTENCE: Final = re.compile(rf"[^.!?\n]{{1,{MAX_SENTENCE}}}")
_WORD: Final = re.compile(r"[^\W\d_]+")


def _any_of(*parts: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(parts)})", re.IGNORECASE)


_JUDGING: Final = _any_of(
    r"(?:the|an?|dear|this|any|every|each|ai|no)\s++(?:grader|marker|examiner|assessor|evaluator|judge|reader)s?\b",
    r"(?:graders|markers|examiners|assessors|evaluators)\b",
    r"(?:whoever|who|that|one|person|those|anyone|ones)\s++(?:grades?|marks?|judges?|evaluates?|assess(?:es)?|rates?|compares?)\b",
    r"(?:scoring|marking|grading|assessment|evaluation|judging|comparison)\s++(?:rules?|guidelines?|criteria|polic\w++|system|scheme|mode|model)\b",
    r"(?:reading|using)\s++this\s++as\s++part\s++of\b",
    r"(?:automat\w++\s++(?:system|grad\w++|scor\w++|assess\w++)|developer\s++mode)s?\b",
    r"(?:language\s++model|llm|chatbot|ai\s++(?:grader|judge|assessor|examiner|model)|automated\s++\w++)s?\b",
    r"(?:rubric|scoring|marking|comparison|two\s++essays|another\s++(?:text|essay))\b",
    r"(?:rättar|bedömer|bedömare\w*+|examinator\w*+|jämför\w*+|kriteri\w++|betygssätt\w*+)\b",
    r"den\s++som\s++läser\s++det(?:ta|\s++här)\b",
)
_ITSELF: Final = _any_of(
    r"(?:this|my|the\s++present|the\s++above|above|any|min|mitt|denna|detta|den\s++här)\s++"
    r"(?:essay|text|answer|paper|copy|piece|work|composition|script|uppsats\w*+|texten?|svar\w*+)s?\b",
    r"(?:mine|this\s++one|texts?\s++that|essays?\s++with)\b",
    r"(?:marks?|grades?|judges?|reading|läser)\s++(?:this|detta|det\s++här)\b",
    r"(?:låta?|ge)\s++(?:mig|min)\b|\bi\s++need\s++the\b",
)
_WINNING: Final = _any_of(
    r"(?:win|wins|won|winner|first|top|highest|full|best|better|superior|second|generous\w*+|beats?|"
    r"prefer\w*+|choos\w++|chosen|select\w*+|pick\w*+|rank\w*+|favou?r\w*+)\b",
    r"(?:vinn\w++|först\w*+|före|högst\w*+|bäst\w*+|bättre|välj\w*+)\b",
)
_THIS_TEXT: Final = _any_of(
    r"(?:this|my|the\s++present|such|an?\s++\w{3,12}|min|mina|denna|den\s++här)\s++"
    r"(?:essays?|texts?|answer|paper|submission|document|copy|piece|uppsats\w*+|text(?:en|er)?)\b",
    r"the\s++(?:first|second|other|above)\s++(?:essay|text|submission|paper)\b",
)
_OUTRANKING: Final = _any_of(
    r"(?:win|wins|winner|first\s++place|second\s++place|superior|stronger|strongest|above|takes\s++first|better\s++(?:than|one)"
    r"|full\s++marks|highest\s++(?:grade|mark|score)|top\s++(?:grade|mark|score))\b",
    r"(?:vinn\w++|vinnare|starkare|bättre\s++än|högsta\s++betyg\w*+)\b",
)
_DISREGARD: Final = _any_of(
    r"(?:ignore|disregard|forget|set\s++aside|skip|bypass|override\w*+|ignorera|bortse|glöm\w*+|strunta|inte\s++bry)\b"
)
_GUIDANCE: Final = _any_of(
    r"(?:instructions?|rubric|criteria|prompt|guidelines|your\s++(?:rules?|task|orders?)|previous\s++(?:rules?|orders?|text)"
    r"|kriteri\w++|instruktion\w*+|anvisning\w*+|dina\s++regler)\b"
)

# Words that hardly occur in English or Swedish, and that no sentence of their languages can do without for long.
_FOREIGN_WORDS: Final = (
    # Spanish, Portuguese, Italian, French
    "el los las una del que con por para este esta como más pero su sus y o não uma os com mais il lo gli della di",
    "questo questa che sono non le les des une est dans pour ce cette qui pas vous et ou texte copie ensayo ganador",
    "instrucciones instruções istruzioni consignes anteriores précédentes",
    # German, Dutch
    "der die das und ist nicht ein eine diesen diese dieser dich deine mit für von zu wähle bitte text aufsatz",
    "anweisungen regeln het een deze niet voor van en je kies opstel",
    # Danish, Norwegian
    "og af til alle tidligere vælg denne fra jeg ikke velg som teksten oppgaven",
    # Finnish, Polish, Turkish
    "ja on ei se tämä että olen valitse ohjeet aiemmat i w na nie to jest tekst wybierz bu ve bir metni seç",
)
_KNOWN_WORDS: Final = (
    # English
    "the a an and or of to in on is are was were be it that this with for as at by from not no but you your my we",
    "they he she i his her their our have has had do does can will would so if then than there what which who when",
    "all more most very just about into over because people one like also many some",
    # Swedish
    "och att det som en på är av för med den till inte om ett han de jag var men från så vi kan man när år säger ska",
    "hon nu eller alla efter under också mot där vara du sig detta här mycket min mitt mina din ditt sin hade har",
    "skulle utan även mer än då bara vad hur",
)
_FOREIGN: Final = frozenset(word for line in _FOREIGN_WORDS for word in line.split())
_KNOWN: Final = frozenset(word for line in _KNOWN_WORDS for word in line.split())
MIN_FOREIGN_WORDS: Final = 3
_OTHER_SCRIPT: Final = re.compile(
    r"[\u0400-\u052f\u0590-\u06ff\u0900-\u0dff\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
MIN_OTHER_LETTERS: Final = 12
"""Letters of a script that essays are not written in: a name or a word is shorter."""


def appeals_to_the_judge(text: str) -> bool:
    """True where a sentence speaks of judging, of itself and of winning, or wants what judges are told disregarded."""
    return any(_is_appeal(sentence) for sentence in _sentences(text))


def has_other_language(text: str) -> bool:
    """True where a sentence is in a language that essays are not written in: a judge reads it all the same."""
    if sum(1 for _ in _OTHER_SCRIPT.finditer(text)) >= MIN_OTHER_LETTERS:
        return True
    return any(_is_foreign(sentence) for sentence in _sentences(text))


def _sentences(text: str) -> Iterator[str]:
    return (found[0] for found in _SENTENCE.finditer(text))


def _is_appeal(sentence: str) -> bool:
    if _JUDGING.search(sentence) and _ITSELF.search(sentence) and _WINNING.search(sentence):
        return True
    if _THIS_TEXT.search(sentence) and _OUTRANKING.search(sentence):
        return True
    return bool(_DISREGARD.search(sentence) and _GUIDANCE.search(sentence))


def _is_foreign(sentence: str) -> bool:
    words = [word.lower() for word in _WORD.findall(sentence)]
    foreign = sum(word in _FOREIGN and word not in _KNOWN for word in words)
    known = sum(word in _KNOWN for word in words)
    return foreign >= MIN_FOREIGN_WORDS and foreign > known
