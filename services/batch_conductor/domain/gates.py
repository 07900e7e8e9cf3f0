"""Gates: what a batch must have before it may go through a pipeline, one small function each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from event_contracts import PhaseName

from batch_conductor.domain.pipeline import Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFacts:
    """What the caller says the batch has."""

    has_student_prompt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a phase cannot be run on this batch, and what removes the obstacle."""

    phase: PhaseName
    reason: str
    remedy: str


Gate = Callable[[Pipeline, BatchFacts], Obstacle | None]
"""None lets the batch through."""


def student_prompt(pipeline: Pipeline, facts: BatchFacts) -> Obstacle | None:
    """Essays are compared on how well they answer a task: without the task there is nothing to judge by."""
    if PhaseName.CJ_ASSESSMENT not in pipeline.phases or facts.has_student_prompt:
        return None
    return Obstacle(
        phase=PhaseName.CJ_ASSESSMENT,
        reason="the batch has no student prompt, and essays cannot be compared without their task",
        remedy="attach the prompt to the batch, then send batch_metadata.student_prompt_ref with its"
        " student_prompt_text reference, or batch_metadata.prompt_attached = true",
    )


GATES: Final[Sequence[Gate]] = (student_prompt,)
