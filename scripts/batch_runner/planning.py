"""cj-run plan: what would be judged, how often, and at what price."""

from collections.abc import Iterator

from event_contracts import LLMConfigOverrides
from model_manifest import validate_llm_overrides
from rich.console import Console

from batch_runner.assignment import Assignment


def print_plan(assignment: Assignment, *, provider: str | None, model: str | None, console: Console) -> None:
    """Say what a folder holds; raises ``InvalidLlmConfig`` for a judge that there is not."""
    console.out(assignment.title, style="bold", highlight=False)
    for line in (*_contents(assignment), *_judge(provider, model)):
        console.out(line, highlight=False)


def _contents(assignment: Assignment) -> Iterator[str]:
    texts = len(assignment.texts)
    yield f"{assignment.course_code}, {assignment.language}"
    yield f"{len(assignment.essays)} essays, {len(assignment.anchors)} anchors"
    if assignment.left_out:
        yield f"left out, being no essays: {', '.join(assignment.left_out)}"
    yield f"{assignment.words} words, {assignment.words // texts} a text"
    yield f"grades: {assignment.grade_scale if assignment.anchors else 'none (no anchors)'}"
    yield f"all pairs would be {texts * (texts - 1) // 2} comparisons"


def _judge(provider: str | None, model: str | None) -> Iterator[str]:
    if provider is None and model is None:
        return
    overrides = LLMConfigOverrides(provider_override=provider, model_override=model)
    resolved = validate_llm_overrides(overrides, default_provider=provider or "mock")
    yield f"judge: {resolved.provider}/{resolved.model}"
    yield from resolved.warnings
