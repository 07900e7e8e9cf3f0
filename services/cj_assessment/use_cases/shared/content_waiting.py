"""How batches wait for a content service that does not answer."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

CONTENT_RETRY_DELAY: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentTimeout:
    """How long a batch waits for a content service that does not answer."""

    max_wait: timedelta
