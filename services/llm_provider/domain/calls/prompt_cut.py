"""Whether a model's server read the whole prompt: some cut it to their context, silently, and answer all the same.

No tokenizer makes fewer tokens than there are words, but for a few words in a hundred that it knows as phrases. A
count far below the words of the prompt is a count of a part.
"""

import re
from itertools import chain
from typing import Final

from llm_provider.domain.calls.answer import PromptCut
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.requests.prompt import Prompt

_SHORT_TOKENS: Final = 1_000
"""No server has so small a context that it cuts a prompt of fewer."""
_MIN_SHARE: Final = 0.5
"""Of the words; the smallest share ever seen with whole prompts is about .9."""
_WORD: Final = re.compile(r"\w+")
_WITHOUT_SPACES: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_CHARACTERS_PER_TOKEN: Final = 2
"""In scripts that put no spaces between words."""


def require_whole_prompt(prompt: Prompt, usage: Usage) -> None:
    """Raise ``PromptCut`` where the vendor counted far fewer tokens than the prompt can have; linear in its length."""
    if not usage.is_known or usage.input <= 0:
        return
    least = _least_tokens(prompt)
    if least >= _SHORT_TOKENS and usage.input < _MIN_SHARE * least:
        raise PromptCut(read=usage.input, least=least)


def _least_tokens(prompt: Prompt) -> int:
    parts = (prompt.system, prompt.user)
    words = sum(1 for _ in chain.from_iterable(_WORD.finditer(part) for part in parts))
    signs = sum(1 for _ in chain.from_iterable(_WITHOUT_SPACES.finditer(part) for part in parts))
    return words + signs // _CHARACTERS_PER_TOKEN
