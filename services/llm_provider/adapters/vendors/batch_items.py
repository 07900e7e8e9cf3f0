"""What the vendors' batch jobs have in common."""

from collections.abc import Sequence

import orjson
from event_contracts import JsonObject

from llm_provider.domain.errors import JudgeError, JudgeRefused, JudgeTimeout, JudgeUnavailable
from llm_provider.ports import BatchItem


def require_size(vendor: str, items: Sequence[BatchItem], *, at_most: int) -> None:
    """Raise ``JudgeRefused`` for a job of nothing, or of more than a vendor takes at once."""
    if not 0 < len(items) <= at_most:
        raise JudgeRefused(f"a batch job of {vendor}'s holds 1 to {at_most} items, not {len(items)}")


def only_model(vendor: str, items: Sequence[BatchItem]) -> str:
    """The one model that all items of a job ask; raises ``JudgeRefused`` where they ask several."""
    models = sorted({item.call.parameters.model for item in items})
    if len(models) != 1:
        raise JudgeRefused(f"a batch job of {vendor}'s asks one model, not {', '.join(models)}")
    return models[0]


def json_lines(lines: Sequence[JsonObject]) -> bytes:
    """JSON Lines, UTF-8."""
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


def never_judged(vendor: str, *, expired: bool) -> JudgeError:
    """The error of an item that a job ended without: out of time, or cancelled before its turn."""
    if expired:
        return JudgeTimeout(f"{vendor} did not get to it before the batch job expired")
    return JudgeUnavailable(f"{vendor} was told to cancel the batch job before it got to it")
