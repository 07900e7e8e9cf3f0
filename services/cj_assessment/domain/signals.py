"""Signals in an essay's text: reasons for a person to look at it, found in time proportional to its length.

Some patterns match known attempts, others what such attempts have in common (``sentences``, ``disguises``).
These cannot detect every new attack: the defence against instructions to the judge is the fence around each text,
whatever is found here.
"""

import re
from collections.abc import Iterator
from enum import StrEnum

from cj_assessment.domain.disguises import is_disguised, spelt_otherwise
from cj_assessment.domain.sentences import appeals_to_the_judge, has_other_language


class Signal(StrEnum):
    """Why a person should look at an essay."""

    HIDDEN_CHARACTERS = "hidden_characters"
    ADDRESSES_THE_JUDGE = "addresses_the_judge"
    ROLE_MARKER = "role_marker"
    FORGED_ANSWER = "forged_answer"
    FORGED_BOUNDARY = "forged_boundary"
    ENCODED_TEXT = "encoded_text"
    OTHER_LANGUAGE = "other_language"
    ANCHOR_TEXT = "anchor_text"


# Possessive quantifiers give nothing back: a run of spaces is read once, however the rest of the pattern fails.
_ADDRESSES = re.compile(
    r"""
    \b(?:ignore|disregard|forget|ignorera|bortse\s++från|glöm)
        (?:\s++(?:all|any|of|the|your|my|these|previous|prior|earlier|above|given|alla|de|dina|tidigare|föregående
            |ovanstående)){0,5}
        \s++(?:instructions?|prompts?|rules|criteria|rubric|instruktion\w*|regler\w*|kriteri\w*)\b
    | \b(?:you\s++are|act\s++as|du\s++är|agera\s++som)\s++(?:an?\s++|the\s++|en\s++|ett\s++)?
        (?:\w++\s++)?(?:grader|judge|examiner|evaluator|assessor|language\s++model|ai|llm|bedömare|språkmodell)\b(?!\s++(?:of|av)\b)
    | \b(?:dear|hello|hi|attention|to\s++the|kära|bäste|hej)\s++
        (?:grader|judge|examiner|evaluator|assessor|llm|ai|bedömare|examinator)\b
    | \b(?:choose|pick|select|prefer|vote\s++for|välj|rösta\s++på)\s++
        (?:this|my|the\s++following|essay\s++[ab12]|den\s++här|min|denna)\b[^.!?\n]{0,20}
        \b(?:essay|text|answer|winner|uppsats\w*|svar\w*|vinnare\w*)\b
    | \b(?:essay|uppsats)\s++[ab]\b[^.!?\n]{0,30}
        \b(?:is\s++(?:clearly\s++)?better|wins|winner|should\s++win|must\s++win|är\s++(?:klart\s++)?bättre|vinner|ska\s++vinna)\b
    | \b(?:give|award|ge|sätt)\s++(?:this|my|me|it|mig|den\s++här|denna|min)\b[^.!?\n]{0,40}
        \b(?:highest|top|best|full|maximum|högsta|bästa|full|topp)\w*+\s++(?:grades?|scores?|marks?|betyg\w*|poäng\w*)\b
    | \b(?:note|message|instructions?|attention)\s++(?:to|for)\s++(?:the\s++|an?\s++)?
        (?:grader|judge|examiner|evaluator|assessor|language\s++model|ai|llm)\b
    | \btill\s++(?:ai\b|ai:n\b|bedömaren\b|examinatorn\b|den\s++som\s++(?:rättar|bedömer)\b)
    | \bwhoever\s++(?:grades|marks|judges|rates|is\s++(?:grading|marking|judging))\s++this\b
    | \bthis\s++(?:essay|text)\s++(?:must|has\s++to|should|will)\s++(?:win|be\s++chosen|be\s++ranked|receive|get)\b
    | \bif\s++this\s++(?:essay|text)\s++wins\b
    | \b(?:den\s++här|denna)\s++(?:texten?|uppsatsen?)\s++(?:ska|måste|bör)\s++(?:vinna|få|väljas)\b
    | \b(?:say|answer|decide|svara|säg|skriv)\s++(?:that|att)\s++(?:this|den\s++här|denna)\s++
        (?:essay|texten?|uppsatsen?)\s++(?:is|är)\b
    | \b(?:new|updated|nya|uppdaterade)\s++(?:instructions?|instruktioner)\s*+:
    | \bthat\s++this\s++(?:essay|text)\s++wins\b
    | \bas\s++an?\s++(?:large\s++)?language\s++model\b[^.!?\n]{0,20}\byou\b
    | \b(?:admin|system|developer)\s++override\b
    | \byour\s++system\s++prompt\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ROLE_MARKER = re.compile(
    r"""
    \[(?:system|admin|developer|operator)\b[^\]\n]{0,40}\]
    | ^[^\S\n]*+\#{0,6}+[^\S\n]*+\[?(?:system|assistant|developer|human|user)\]?[^\S\n]*+
        (?:prompt|message)?[^\S\n]*+:
    | ^[^\S\n]*+systemmeddelande[^\S\n]*+:
    | <\|?\s*+/?(?:im_start|im_end|system|assistant|user|endoftext|eot_id|start_header_id)\s*+\|?>
    | </?(?:tool_result|tool_call|function_results?|function_calls?)\b
    | \[/?INST\] | <</?SYS>>
    | "winner"\s*+:
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_FORGED_ANSWER = re.compile(
    r"""
    'winner'\s*+: | ["']confidence["']\s*+:\s*+[0-9]
    | \bwinner\s*+[=:]\s*+["']?(?:essay\s++)?[ab]\b
    | ^[^\S\n]*+(?:final\s++)?(?:verdict|justification)\s*+:
    | \bgrade\s*+:\s*+[a-f][+-]?\.\s++justification\b
    | \bslutgiltigt\s++omdöme\s*+:
    | (?:^[^\S\n]*+[|>*-]*+[^\S\n]*+|[<{(\[,]\s*+["']?)
        (?:winner|choice|verdict|confidence|justification|better\s++essay|best_essay|judge?ment|score|reason|vinnare
            |motivering|omdöme|bedömning)
        \s*+["']?\s*+(?:[=:>|]|for\s++essay)
    | \b(?:result|winner|choice|verdict|margin|score|rating|grade|label)\s*+=\s*+\S
    | \b(?:rating|grade|score|betyg|poäng)\s*+:\s*+(?:[A-F][+-]?(?!\w)|[0-9]|\u2605)
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_LABELS = re.compile(r"\b(?:Essay|Uppsats|ESSAY|UPPSATS)\s[AB]\b")
"""What the judge calls the essays: a pupil does not know it."""

_FORGED_BOUNDARY = re.compile(
    r"""
    </?essay_ | </?(?:essays?|documents?|instructions?|prompt|user_input)>
    | ^[^\S\n]*+(?:essay|uppsats)\s++[ab][^\S\n]*+:[^\S\n]*+(?:\n|[^\n])
    | ^[^\S\n]*+(?:-{3,}+|={3,}+|\#{3,}+|<{2,}+)[^\S\n]*+(?:end\s++of|slut\s++på)\b
    | <!-- | <[a-z]{1,12}\s++(?:style|class|hidden|color|data-[a-z]{1,12})\b
    | ^[^\S\n]*+(?:\[|\(|<++|-{2,}+|={2,}+|\#{2,}+|\*{2,}+)[^\S\n]*+
        (?:end|begin|start|next|new|system|admin|task|input|output|instructions?|examiner|grader|slut|början|ny)\b
        [^\n]{0,60}(?:\]|\)|>|-{2}|={2}|\#{2}|\*{2})
    | </?(?:think|thinking|answer|choice|reason|result|verdict|winner|judg\w{0,8}|scratchpad|output|input|response)>
    | \bwhich\s++essay\s++is\s++better\?\s++answer\s++with\b
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)


def signals_in(text: str) -> Iterator[Signal]:
    """The signals of a text without hidden characters."""
    if addresses_the_judge(text):
        yield Signal.ADDRESSES_THE_JUDGE
    if _ROLE_MARKER.search(text):
        yield Signal.ROLE_MARKER
    if _FORGED_ANSWER.search(text) or _LABELS.search(text):
        yield Signal.FORGED_ANSWER
    if _FORGED_BOUNDARY.search(text):
        yield Signal.FORGED_BOUNDARY
    if is_encoded(text):
        yield Signal.ENCODED_TEXT
    if has_other_language(text):
        yield Signal.OTHER_LANGUAGE


def addresses_the_judge(text: str) -> bool:
    """True where the text speaks to its judge: in words that are known, or with what these have in common."""
    return _ADDRESSES.search(text) is not None or appeals_to_the_judge(text)


def is_encoded(text: str) -> bool:
    """True where part of the text has to be decoded to be read, or is written in look-alike letters.

    Words to the judge that can be read as they stand are not encoded, although some are found backwards as well.
    """
    if is_disguised(text):
        return True
    return not addresses_the_judge(text) and any(
        addresses_the_judge(spelt) for spelt in spelt_otherwise(text)
    )
