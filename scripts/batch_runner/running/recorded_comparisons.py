"""What was judged in a run, for its record: every comparison, and what they cost."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from event_contracts import BatchStatusView, ComparisonState, ComparisonView, usd

from batch_runner.artefact.judged import ComparisonStatus, Costs, RecordedComparison, TokenCounts

_STATUS = {
    ComparisonState.PENDING: ComparisonStatus.SUBMITTED,
    ComparisonState.SUBMITTED: ComparisonStatus.SUBMITTED,
    ComparisonState.JUDGED: ComparisonStatus.SUCCEEDED,
    ComparisonState.FAILED: ComparisonStatus.FAILED,
    ComparisonState.ABANDONED: ComparisonStatus.FAILED,
}
NO_COSTS: Final = Costs(total_usd=Decimal(0), prices_known=True, token_counts=(), prompt_hashes=())
"""Of a run that was not executed."""


def recorded_comparisons(
    comparisons: Sequence[ComparisonView], status: BatchStatusView, ids: Mapping[str, str]
) -> Iterator[RecordedComparison]:
    """The comparisons of a batch; ``ids`` are the record's ids of students' essays, anchors keep theirs."""
    for sequence, view in enumerate(comparisons, start=1):
        pair = (ids.get(view.essay_a_id, view.essay_a_id), ids.get(view.essay_b_id, view.essay_b_id))
        ended_as = _STATUS[view.state]
        won = pair if view.winner is not None and view.winner.value.endswith("A") else pair[::-1]
        succeeded = ended_as is ComparisonStatus.SUCCEEDED
        yield RecordedComparison(
            sequence=sequence,
            comparison_id=view.comparison_id,
            round=view.round,
            correlation_id=status.correlation_id,
            request_id=view.request_id,
            panel_place=view.panel_place,
            essay_a_id=pair[0],
            essay_b_id=pair[1],
            winner_id=won[0] if succeeded else None,
            loser_id=won[1] if succeeded else None,
            prompt_hash=view.prompt_sha256,
            provider=view.provider,
            model=view.model,
            tokens_prompt=view.prompt_tokens,
            tokens_completion=view.completion_tokens,
            cost_usd=view.cost_usd,
            attempts=view.attempts,
            started_at=view.requested_at,
            completed_at=view.judged_at or view.ended_at,
            status=ended_as,
            error_code=None if succeeded else view.error_code,
            failure_reason=None if succeeded else view.failure_reason,
            confidence=view.confidence if succeeded else None,
            margin=view.margin if succeeded else None,
            log_odds_a=view.log_odds_a.value if succeeded and view.log_odds_a else None,
            justification=view.justification if succeeded else None,
        )


def recorded_costs(comparisons: Sequence[ComparisonView], status: BatchStatusView) -> Costs:
    """US dollars and tokens by model."""
    by_model: dict[tuple[str, str], list[ComparisonView]] = defaultdict(list)
    for view in comparisons:
        if view.provider is not None and view.model is not None:
            by_model[view.provider, view.model].append(view)
    return Costs(
        total_usd=status.cost.cost_usd,
        prices_known=status.cost.prices_known,
        token_counts=tuple(
            TokenCounts(
                provider=provider,
                model=model,
                comparisons=len(views),
                prompt_tokens=_sum(each.prompt_tokens for each in views),
                completion_tokens=_sum(each.completion_tokens for each in views),
                usd=usd(sum((each.cost_usd for each in views), Decimal(0))),
            )
            for (provider, model), views in sorted(by_model.items())
        ),
        prompt_hashes=tuple(sorted({view.prompt_sha256 for view in comparisons if view.prompt_sha256})),
    )


def _sum(counts: Iterator[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
