"""Names of the service's workers: in its database, its metrics and its routes an item belongs to one of them."""

from typing import Final

PREPARE: Final = "prepare"
ADVANCE: Final = "advance"
SUBMIT: Final = "submit"
REPORT: Final = "report_consumption"
FORGET: Final = "forget"
"""Workers whose items are batches: a batch that one of them has failed on waits or is set aside."""

EXPIRE: Final = "expire"
WITHDRAW: Final = "withdraw"
"""Workers whose items are attempts."""

MEASURE: Final = "measure"
"""The worker that measures; it has no items."""
