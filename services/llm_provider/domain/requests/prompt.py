"""What a judge is shown, and what it is called with: everything that determines a judgement."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from event_contracts import (
    ComparisonRequest,
    JsonObject,
    PromptBlock,
    PromptTarget,
    fence_pair,
    judge_identity,
    prompt_sha256_for,
    read_fenced_pair,
)
from event_contracts.judging import ASKED_SCHEMA

_HEADED = re.compile(
    r"^[#* ]{0,8}Essay ([AB])(?:[ *]{0,4}\([^)\n]{0,300}\))?[* ]{0,4}:[* ]{0,4}\n?[ ]{0,8}\S", re.MULTILINE
)
"""A heading with text behind it, such as ``**Essay A (ID: e-1):**``; each part is bounded."""

StructuredOutput = Literal["json_schema", "json_object_with_schema", "tool", "json_object", "prompt"]
"""How a model is held to the answer's form: the ways of the manifest, and one that only some servers need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeParameters:
    """The model that will judge and what it is called with; None is the model's own default.

    ``cache_breakpoints``: the model bills what it writes to its cache, and must be told where the part of a
    prompt ends that other calls share; without it such a model writes, and bills, every whole prompt.
    ``no_reasoning``: how the manifest says this model is told not to reason, where the effort is ``none``.
    ``token_probabilities``: the model gives those of its answer's tokens with these parameters, at no cost.
    """

    provider: str
    model: str
    temperature: float | None
    max_tokens: int
    reasoning_effort: str | None
    output_verbosity: str | None
    structured_output: StructuredOutput
    cache_breakpoints: bool = False
    no_reasoning: str | None = None
    token_probabilities: bool = False

    @property
    def is_deterministic(self) -> bool:
        """True when the same prompt gets the same answer: a repeated call would be paid for nothing."""
        return self.temperature == 0

    def as_json(self) -> JsonObject:
        """The parameters that determine a judgement, besides provider and model."""
        return {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "reasoning_effort": self.reasoning_effort,
            "output_verbosity": self.output_verbosity,
            "structured_output": self.structured_output,
        }


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a judge is shown: system text, and the user's blocks in order."""

    system: str
    blocks: tuple[PromptBlock, ...]

    @cached_property
    def user(self) -> str:
        """The user's blocks as one text."""
        return "\n\n".join(block.content for block in self.user_blocks)

    @cached_property
    def user_blocks(self) -> tuple[PromptBlock, ...]:
        """The blocks that are not system text."""
        return tuple(block for block in self.blocks if block.target is PromptTarget.USER_CONTENT)

    @property
    def is_fenced(self) -> bool:
        """True where both essays stand between their markers."""
        try:
            read_fenced_pair(self.user)
        except ValueError:
            return False
        return True

    @property
    def shows_two_essays(self) -> bool:
        """True where both essays are fenced, or follow a heading of their own, as older callers write them."""
        return self.is_fenced or {found[1] for found in _HEADED.finditer(self.user)} == {"A", "B"}

    @property
    def characters(self) -> int:
        """The length of everything that the judge reads."""
        return len(self.system) + len(self.user)

    @classmethod
    def of(cls, blocks: Sequence[PromptBlock], *, system_override: str | None = None) -> "Prompt":
        """From blocks; ``system_override`` replaces their system text, even by an empty one."""
        from_blocks = "\n\n".join(block.content for block in blocks if block.target is PromptTarget.SYSTEM)
        return cls(system=from_blocks if system_override is None else system_override, blocks=tuple(blocks))


NO_PROMPT = Prompt(system="", blocks=())
"""Stands for a prompt that was forgotten or cannot be read, where only the end of its request matters."""


def new_prompt(request: ComparisonRequest) -> Prompt:
    """The prompt that a request carries: its blocks, else its plain form."""
    overrides = request.llm_config_overrides
    blocks = request.prompt_blocks or (
        PromptBlock(target=PromptTarget.USER_CONTENT, content=request.user_prompt),
    )
    if request.essay_a is not None and request.essay_b is not None and not Prompt.of(blocks).is_fenced:
        pair = fence_pair(request.essay_a, request.essay_b)
        essays = (pair.essay_a, pair.essay_b)
        blocks = (
            *blocks,
            *(PromptBlock(target=PromptTarget.USER_CONTENT, content=essay) for essay in essays),
        )
    return Prompt.of(blocks, system_override=overrides.system_prompt_override if overrides else None)


def digest(prompt: Prompt, parameters: JudgeParameters) -> str:
    """``prompt_sha256``: identity of everything that determines the judgement."""
    return prompt_sha256_for(
        _identity(parameters),
        system_text=prompt.system,
        user_blocks=[block.content for block in prompt.user_blocks],
    )


@lru_cache
def _identity(parameters: JudgeParameters) -> bytes:
    return judge_identity(
        answer_schema=ASKED_SCHEMA,
        provider=parameters.provider,
        model=parameters.model,
        parameters=parameters.as_json(),
    )
