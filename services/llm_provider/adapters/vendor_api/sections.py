"""Where the part of a prompt ends that other calls share: the part that a vendor's cache may keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from event_contracts import PromptBlock, PromptTarget

from llm_provider.domain.requests.prompt import Prompt

Ttl = Literal["5m", "1h"]

_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The text of one role: what other calls share, then this call's own; ``ttl`` is the shared part's."""

    shared: str
    own: str
    ttl: Ttl = "5m"

    @property
    def text(self) -> str:
        """All of it."""
        return self.shared + self.own


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """A prompt by role. What is shared is one unbroken prefix of it: system first, then user."""

    system: Section
    user: Section

    @property
    def shared(self) -> str:
        """The prefix that other calls have as well."""
        return self.system.shared + self.user.shared


def sections(prompt: Prompt) -> Sections:
    """Split a prompt where its leading run of cacheable blocks ends.

    A cache keeps prefixes, and keeps none longer than what it starts with: so the system's shared part lives
    as long as the longest-lived block of the whole prefix.
    """
    of_system = _system_blocks(prompt)
    shared_system = _leading(of_system)
    shared_user = _leading(prompt.user_blocks) if len(shared_system) == len(of_system) else []
    return Sections(
        system=_section(of_system, len(shared_system), ttl=_longest([*shared_system, *shared_user])),
        user=_section(prompt.user_blocks, len(shared_user), ttl=_longest(shared_user)),
    )


def _system_blocks(prompt: Prompt) -> Sequence[PromptBlock]:
    """The system's blocks; text that replaced them is one block, to be kept if any of them was."""
    blocks = [block for block in prompt.blocks if block.target is PromptTarget.SYSTEM]
    if _BETWEEN.join(block.content for block in blocks) == prompt.system:
        return blocks
    if not prompt.system:
        return []
    cacheable = [block for block in blocks if block.cacheable]
    replaced = PromptBlock(
        target=PromptTarget.SYSTEM,
        content=prompt.system,
        cacheable=bool(cacheable),
        ttl=_longest(cacheable),
    )
    return [replaced]


def _leading(blocks: Sequence[PromptBlock]) -> list[PromptBlock]:
    return list(takewhile(lambda block: block.cacheable, blocks))


def _longest(blocks: Sequence[PromptBlock]) -> Ttl:
    return "1h" if any(block.ttl == "1h" for block in blocks) else "5m"


def _section(blocks: Sequence[PromptBlock], shared: int, *, ttl: Ttl) -> Section:
    contents = [block.content for block in blocks]
    own = _BETWEEN.join(contents[shared:])
    kept = _BETWEEN.join(contents[:shared])
    return Section(shared=kept + _BETWEEN if kept and own else kept, own=own, ttl=ttl)
