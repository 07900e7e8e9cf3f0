"""The result of a comparison request: a winner with its reasons, or an error."""

from enum import StrEnum
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import Field, ValidationError, model_validator

from event_contracts.base import WireModel
from event_contracts.errors import ErrorCode, ErrorDetail, InvalidRequest
from event_contracts.fields import (
    Count,
    Flag,
    Identifier,
    Int,
    JsonObject,
    Money,
    Name,
    Number,
    Sha256Hex,
    Text,
    UtcDatetime,
)
from event_contracts.judging import LABEL_A, LABEL_B, MAX_JUSTIFICATION

JUDGEMENT_FIELDS: Final = frozenset({"winner", "justification", "confidence", "margin", "log_odds_a"})
"""What an answer with a winner has, and an error has not."""

OLD_ERROR_WINNER: Final = "Error"
MAX_LOG_ODDS: Final = 1_000


class Winner(StrEnum):
    """The essay that the judge preferred, by the label that it saw."""

    ESSAY_A = LABEL_A
    ESSAY_B = LABEL_B


class TokenUsage(WireModel):
    """Tokens that a call was billed for."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count


class JudgementProvenance(WireModel):
    """What `request_metadata` says about a result: which essays, batch and prompt, which model answered."""

    essay_a_id: Identifier
    essay_b_id: Identifier
    bos_batch_id: Identifier
    prompt_sha256: Sha256Hex
    resolved_provider: Name | None = None
    resolved_model: Name | None = None
    cache_read_tokens: Count = 0
    cache_write_tokens: Count = 0


Margin = Annotated[Int, Field(ge=1, le=3)]
"""How much better the winner is: 1 slightly, 2 clearly, 3 far."""


class LogOdds(WireModel):
    """What the probabilities of an answer's tokens say: the logarithm of how much likelier slot A was than B.

    `tokens` are those of A and B, among the `top_k` likeliest ones; where one of them was not among these, `value` is
    a bound (`censored`). `constrained`: a grammar left only these answers; `before_reasoning`: the winner was written
    before any reasons. `temperature` is the call's, null for the model's own.
    """

    value: Annotated[Number, Field(ge=-MAX_LOG_ODDS, le=MAX_LOG_ODDS)]
    tokens: Annotated[tuple[Name, ...], Field(max_length=2)]
    top_k: Annotated[Int, Field(ge=1, le=100)]
    censored: Flag
    constrained: Flag
    before_reasoning: Flag
    temperature: Number | None = None


class LLMComparisonResultV1(WireModel):
    """The one callback of a comparison request: a winner with its reasons or an error, never both or neither.

    `request_metadata` is what the caller sent, verbatim, plus prompt_sha256, resolved_provider, resolved_model and
    the numbers of cached tokens. Other services' results on the same topic may lack them: `provenance()` tells.
    `margin` and `log_odds_a` say how far the winner is ahead, where the judge says so.
    A winner `Error`, which older peers write, is read as an error.
    """

    request_id: Name
    correlation_id: UUID
    winner: Winner | None = None
    justification: Annotated[Text, Field(max_length=MAX_JUSTIFICATION)] | None = None
    confidence: Annotated[Number, Field(ge=1, le=5)] | None = None
    margin: Margin | None = None
    log_odds_a: LogOdds | None = None
    error_detail: ErrorDetail | None = None
    provider: Name
    model: Name
    response_time_ms: Count
    token_usage: TokenUsage
    cost_estimate: Money
    requested_at: UtcDatetime
    completed_at: UtcDatetime
    trace_id: Text | None = None
    request_metadata: JsonObject = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _error_is_not_a_winner(cls, data: object) -> object:
        if not isinstance(data, dict) or data.get("winner") != OLD_ERROR_WINNER:
            return data
        error = data.get("error_detail") or {
            "error_code": ErrorCode.LLM_PROVIDER_SERVICE_ERROR,
            "message": "the judge gave no judgement, and no reason",
            "correlation_id": data.get("correlation_id"),
            "timestamp": data.get("completed_at"),
            "service": data.get("provider"),
            "operation": "judge",
        }
        kept = {name: value for name, value in data.items() if name not in JUDGEMENT_FIELDS}
        return {**kept, "error_detail": error}

    @model_validator(mode="after")
    def _winner_or_error(self) -> Self:
        if (self.winner is None) == (self.error_detail is None):
            raise ValueError("needs exactly one of winner and error_detail")
        reasons = (self.justification, self.confidence)
        if self.winner is not None and None in reasons:
            raise ValueError("a winner needs justification and confidence")
        if self.winner is None and (*reasons, self.margin, self.log_odds_a) != (None,) * 4:
            raise ValueError("an error has neither justification nor confidence nor a margin")
        return self

    def provenance(self) -> JudgementProvenance:
        """What caller and service wrote into `request_metadata`; InvalidRequest where it is not complete."""
        try:
            return JudgementProvenance.model_validate(self.request_metadata)
        except ValidationError as error:
            raise InvalidRequest.of(error) from error
