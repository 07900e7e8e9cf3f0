"""How long callers are told to wait while something that a service needs is unavailable."""

from typing import Final

RETRY_AFTER_SECONDS: Final = 5.0
