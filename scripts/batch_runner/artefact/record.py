"""What every part of a run's record has in common: frozen, closed, and of the contracts' bounded types."""

from enum import StrEnum
from typing import Annotated, TypeAlias

from event_contracts import Identifier
from pydantic import BaseModel, ConfigDict, Field

MAX_TEXTS = 10_000
MAX_RECORDED_COMPARISONS = 1_000_000


class Record(BaseModel):
    """A part of the record: what it does not know is refused, so that nothing is lost unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RunMode(StrEnum):
    """What was asked of the runner."""

    PLAN = "plan"
    DRY_RUN = "dry-run"
    EXECUTE = "execute"


EssayId: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9_-]{3,64}$")]
"""A student's essay in the record."""

AnyEssayId: TypeAlias = Identifier
"""A student's essay or an anchor, as comparisons and scores name them."""
