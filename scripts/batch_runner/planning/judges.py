"""The judge of a run: a model of the manifest, or a panel of several, given with ``--judge``."""

from collections.abc import Sequence
from typing import Final

from event_contracts import EnvelopeHints, InvalidRequest, LLMConfigOverrides, PanelJudge
from model_manifest import ResolvedModel, validate_llm_overrides
from pydantic import JsonValue

SIMULATED_JUDGE: Final = "mock"
FORM: Final = "provider/model[:share]"


def resolve_judge(provider: str | None, model: str | None) -> ResolvedModel:
    """The judge that these options name; raises ``InvalidLlmConfig``."""
    overrides = LLMConfigOverrides(provider_override=provider, model_override=model)
    return validate_llm_overrides(overrides, default_provider=provider or SIMULATED_JUDGE)


def judge_panel(
    judges: Sequence[str], *, provider: str | None = None, model: str | None = None
) -> tuple[PanelJudge, ...]:
    """Read ``provider/model[:share]`` for each judge; without shares all get the same.

    A model may be left out for the provider's default. Raises ``InvalidLlmConfig`` for a judge that there is not, and
    ``InvalidRequest`` where judges are not a panel, or ``provider`` or ``model`` name another judge as well.
    """
    if not judges:
        return ()
    if provider is not None or model is not None:
        raise InvalidRequest("name the judges with --judge, or one with --provider and --model: not both")
    if len(judges) == 1:
        raise InvalidRequest("a panel has at least two judges: name one with --provider and --model")
    named = [_split(judge) for judge in judges]
    if len({share is None for _, share in named}) > 1:
        raise InvalidRequest("give a share to every judge of a panel, or to none")
    panel: list[JsonValue] = [
        _judge(name, 1 / len(judges) if share is None else share) for name, share in named
    ]
    return EnvelopeHints.of({"judge_panel": panel}).judge_panel or ()


def _split(judge: str) -> tuple[str, float | None]:
    """Name and share; a colon that is not followed by a number belongs to the model's name."""
    name, _, share = judge.rpartition(":")
    try:
        return name, float(share)
    except ValueError:
        return judge, None


def _judge(name: str, share: float) -> dict[str, JsonValue]:
    provider, _, model = name.partition("/")
    if not provider:
        raise InvalidRequest(f"--judge {name!r}: write {FORM}")
    resolved = resolve_judge(provider, model or None)
    return {"provider": resolved.provider, "model": resolved.model, "share": share}
