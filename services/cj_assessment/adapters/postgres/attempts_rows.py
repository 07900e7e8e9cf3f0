"""Attempts and answers as rows."""

from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from service_kit.storage.rows import RowCodec
from sqlalchemy import Column, MetaData, Table, Text, Uuid

from cj_assessment.adapters.postgres.tables import comparison_attempt
from cj_assessment.domain.batch import BatchId, JobId
from cj_assessment.domain.comparison import Answer, AttemptId, UnsentAttempt

_KEYS: Final = {
    "attempt_id": Uuid,
    "event_id": Uuid,
    "batch_id": Text,
    "essay_a_id": Text,
    "essay_b_id": Text,
}

# Not a table of the database: the shape in which answers are sent to it. The stored columns have the attempt's types.
_ANSWER_SHAPE = Table(
    "answer",
    MetaData(),
    *(
        Column(
            field.name, _KEYS[field.name] if field.name in _KEYS else comparison_attempt.c[field.name].type
        )
        for field in fields(Answer)
    ),
)
ANSWERS = RowCodec[Answer](
    _ANSWER_SHAPE,
    write={field.name: attrgetter(field.name) for field in fields(Answer)},
    read=lambda row: Answer(**row),
)


def unsent(row: Mapping[str, Any]) -> UnsentAttempt:
    """The attempt of a row that a statement for sending returns."""
    return UnsentAttempt(
        attempt_id=AttemptId(row["id"]),
        batch_id=BatchId(row["batch_id"]),
        job_id=JobId(row["job_id"]),
        item_a=row["slot_a"],
        item_b=row["slot_b"],
        essay_a_id=row["essay_a_id"],
        essay_b_id=row["essay_b_id"],
        repetition=row["repetition"],
        assigned=row["judge_index"],
        text_bytes=row["text_bytes"],
    )
