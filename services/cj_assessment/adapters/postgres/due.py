"""When a worker's next item is due."""

from typing import Final

MIN_REST_SECONDS: Final = 0.2
"""An item that is due but was not taken is held by another replica: it is not asked for without a rest."""


def rest_until(seconds: float | None) -> float | None:
    """The rest of a worker whose next item is due in ``seconds``; None where no item is due."""
    return None if seconds is None else max(float(seconds), MIN_REST_SECONDS)
