"""Parameters that a vendor does not support: refused, never dropped.

The model manifest refuses them first, with the valid choices; this is for a manifest that is wrong.
"""

from collections.abc import Iterable

from llm_provider.domain.calls.errors import RequestRejected
from llm_provider.domain.requests.prompt import JudgeParameters, StructuredOutput


def unsupported_output_mode(vendor: str, mode: StructuredOutput, *, takes: Iterable[str]) -> RequestRejected:
    """The refusal of a way of structuring the output that a vendor does not have."""
    return RequestRejected(f"{vendor} has no structured_output={mode}: use one of {', '.join(takes)}")


def refuse_verbosity(vendor: str, parameters: JudgeParameters) -> None:
    """Raise ``RequestRejected`` if a verbosity is set for a vendor that does not support it."""
    if parameters.output_verbosity is not None:
        raise RequestRejected(f"{vendor} takes no output_verbosity: leave it out")
