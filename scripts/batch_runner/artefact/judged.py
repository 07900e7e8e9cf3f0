"""What was judged: every comparison with its request, its answer and its cost."""

from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from event_contracts import (
    Count,
    Flag,
    Identifier,
    Int,
    Margin,
    Money,
    Name,
    Number,
    Sha256Hex,
    Text,
    UtcDatetime,
)
from pydantic import Field, model_validator

from batch_runner.artefact.record import AnyEssayId, Record


class ComparisonStatus(StrEnum):
    """Where a comparison was when it was recorded."""

    SUBMITTED = "submitted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RecordedComparison(Record):
    """One comparison. ``essay_a_id`` was shown first; winner and loser are null unless it succeeded.

    ``request_id`` is the LLM Provider's id of the request that was answered, ``panel_place`` the place among the judges
    of the one that was asked, ``prompt_hash`` the SHA-256 of the prompt. ``confidence`` is the judge's own, 1 to 5,
    ``margin`` by how much the winner is better, ``log_odds_a`` how much likelier an answer for the first was.
    """

    sequence: Annotated[Int, Field(ge=1)]
    comparison_id: Identifier
    round: Annotated[Int, Field(ge=0)]
    correlation_id: UUID
    request_id: Identifier | None
    panel_place: Count
    essay_a_id: AnyEssayId
    essay_b_id: AnyEssayId
    winner_id: AnyEssayId | None
    loser_id: AnyEssayId | None
    prompt_hash: Sha256Hex | None
    provider: Name | None
    model: Name | None
    tokens_prompt: Count | None
    tokens_completion: Count | None
    cost_usd: Money
    attempts: Count
    started_at: UtcDatetime | None
    completed_at: UtcDatetime | None
    status: ComparisonStatus
    error_code: Name | None
    failure_reason: Text | None
    confidence: Annotated[Number, Field(ge=1, le=5)] | None
    margin: Margin | None
    log_odds_a: Number | None
    justification: Text | None

    @model_validator(mode="after")
    def _won_by_one_of_the_pair(self) -> Self:
        succeeded = self.status is ComparisonStatus.SUCCEEDED
        if succeeded and {self.winner_id, self.loser_id} != {self.essay_a_id, self.essay_b_id}:
            raise ValueError("winner and loser of a comparison that succeeded are its two essays")
        if not succeeded and (self.winner_id is not None or self.loser_id is not None):
            raise ValueError("a comparison that did not succeed has no winner")
        return self


class TokenCounts(Record):
    """What one model was paid for; tokens are null where the services do not tell them."""

    provider: Name
    model: Name
    comparisons: Count
    prompt_tokens: Count | None
    completion_tokens: Count | None
    usd: Money


class Costs(Record):
    """What the run cost. ``prompt_hashes`` are those of all prompts, each once, in order."""

    total_usd: Money
    prices_known: Flag
    token_counts: tuple[TokenCounts, ...]
    prompt_hashes: tuple[Sha256Hex, ...]
