"""How long this service keeps what; ``documentation/explanation/privacy.md`` says why."""

from collections.abc import Sequence
from datetime import timedelta

from service_kit.work.retention import RetentionRule, delete_older


def retention_rules(*, batch_retention: timedelta) -> Sequence[RetentionRule]:
    """Of batches: their phases, the outcomes of their essays, their sizes, their plans."""
    moments = {
        "phase_essay": "reported_at",
        "batch_phase": "reported_at",
        "phase_skip": "announced_at",
        "batch_size": "told_at",
        "pipeline_plan": "asked_at",
    }
    return [
        RetentionRule(name=table, keep=batch_retention, statement=delete_older(table, moment))
        for table, moment in moments.items()
    ]
