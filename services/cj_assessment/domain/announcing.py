"""The events that tell others how a batch ended."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, TypeVar

from event_contracts import (
    MAX_RESULTS_PER_BATCH,
    AssessmentResultV1,
    BatchStatus,
    CJAssessmentCompletedV1,
    CJAssessmentFailedV1,
    EventEnvelope,
    EventName,
    JsonObject,
    ProcessingStage,
    ProcessingSummary,
    ResourceConsumptionV1,
    SourceService,
    SuiteError,
    SystemProcessingMetadata,
    WireModel,
    is_identifier,
)

from cj_assessment.domain.batch import BatchRecord, Essay

DataT = TypeVar("DataT", bound=WireModel)

SERVICE = SourceService.CJ_ASSESSMENT
ENTITY_TYPE = "batch"
MAX_LISTED_BYTES: Final = 900_000
"""Of the ids in one event: with them, it stays within the 1 MiB that topics hold by default."""


def completed_event(
    batch: BatchRecord, essays: tuple[Essay, ...], *, unranked: Collection[str], now: datetime
) -> EventEnvelope[CJAssessmentCompletedV1]:
    """State only: which essays were ranked and which could not be."""
    students = [essay for essay in essays if not essay.is_anchor]
    failed = tuple(essay.essay_id for essay in students if not essay.is_usable or essay.essay_id in unranked)
    failed_ids = frozenset(failed)
    successful = tuple(essay.essay_id for essay in students if essay.essay_id not in failed_ids)
    data = CJAssessmentCompletedV1(
        event_name=EventName.CJ_ASSESSMENT_COMPLETED,
        entity_id=batch.batch_id,
        entity_type=ENTITY_TYPE,
        timestamp=now,
        status=BatchStatus.COMPLETED_WITH_FAILURES if failed else BatchStatus.COMPLETED_SUCCESSFULLY,
        system_metadata=_metadata(
            batch, stage=ProcessingStage.COMPLETED, event=EventName.CJ_ASSESSMENT_COMPLETED, now=now
        ),
        cj_assessment_job_id=str(batch.job_id),
        processing_summary=ProcessingSummary(
            total_essays=len(students),
            successful=len(successful),
            failed=len(failed),
            successful_essay_ids=successful,
            failed_essay_ids=failed,
            processing_time_seconds=(now - batch.received_at).total_seconds(),
            single_essay_batch=len(students) == 1,
        ),
    )
    return _enveloped(batch, data)


def failed_event(
    batch: BatchRecord, error: SuiteError, *, operation: str, now: datetime
) -> EventEnvelope[CJAssessmentFailedV1]:
    """Why there is no ranking."""
    detail = error.detail(service=SERVICE, operation=operation, correlation_id=batch.correlation_id)
    data = CJAssessmentFailedV1(
        event_name=EventName.CJ_ASSESSMENT_FAILED,
        entity_id=batch.batch_id,
        entity_type=ENTITY_TYPE,
        timestamp=now,
        status=BatchStatus.FAILED_CRITICALLY,
        system_metadata=_metadata(
            batch,
            stage=ProcessingStage.FAILED,
            event=EventName.CJ_ASSESSMENT_FAILED,
            now=now,
            error_info=detail.model_dump(mode="json"),
        ),
        cj_assessment_job_id=str(batch.job_id),
    )
    return _enveloped(batch, data)


def ended_without_result_event(
    batch: BatchRecord, essay_ids: Sequence[str], *, now: datetime
) -> EventEnvelope[CJAssessmentCompletedV1]:
    """The phase is over and no essay came through: without this the essay lifecycle would wait forever.

    Ids that fit no contract are left out: a batch must end whatever its request holds. So are all ids where they
    are too long to be listed: `failed` still counts them, and `failed_critically` says that no essay came through.
    """
    essay_ids = [essay_id for essay_id in essay_ids if is_identifier(essay_id)][:MAX_RESULTS_PER_BATCH]
    can_be_listed = sum(len(essay_id.encode()) for essay_id in essay_ids) <= MAX_LISTED_BYTES
    data = CJAssessmentCompletedV1(
        event_name=EventName.CJ_ASSESSMENT_COMPLETED,
        entity_id=batch.batch_id,
        entity_type=ENTITY_TYPE,
        timestamp=now,
        status=BatchStatus.FAILED_CRITICALLY,
        system_metadata=_metadata(
            batch, stage=ProcessingStage.FAILED, event=EventName.CJ_ASSESSMENT_COMPLETED, now=now
        ),
        cj_assessment_job_id=str(batch.job_id),
        processing_summary=ProcessingSummary(
            total_essays=len(essay_ids),
            successful=0,
            failed=len(essay_ids),
            failed_essay_ids=tuple(essay_ids) if can_be_listed else (),
            processing_time_seconds=max(0.0, (now - batch.received_at).total_seconds()),
            single_essay_batch=len(essay_ids) == 1,
        ),
    )
    return _enveloped(batch, data)


def result_event(batch: BatchRecord, result: AssessmentResultV1) -> EventEnvelope[AssessmentResultV1]:
    """The ranking and the grades."""
    return _enveloped(batch, result)


def consumption_event(
    batch: BatchRecord, *, quantity: int, now: datetime
) -> EventEnvelope[ResourceConsumptionV1]:
    """Comparisons that were judged and paid for, however the batch ended."""
    data = ResourceConsumptionV1(
        event_name=EventName.RESOURCE_CONSUMPTION_REPORTED,
        entity_id=batch.batch_id,
        entity_type=ENTITY_TYPE,
        timestamp=now,
        user_id=batch.user_id,
        org_id=batch.org_id,
        quantity=quantity,
        service_name=SERVICE,
        processing_id=str(batch.job_id),
        consumed_at=now,
    )
    return _enveloped(batch, data)


def _enveloped(batch: BatchRecord, data: DataT) -> EventEnvelope[DataT]:
    return EventEnvelope.wrap(
        data, source_service=SERVICE, correlation_id=batch.correlation_id, trace=batch.trace
    )


def _metadata(
    batch: BatchRecord,
    *,
    stage: ProcessingStage,
    event: EventName,
    now: datetime,
    error_info: JsonObject | None = None,
) -> SystemProcessingMetadata:
    return SystemProcessingMetadata(
        entity_id=batch.batch_id,
        entity_type=ENTITY_TYPE,
        timestamp=now,
        processing_stage=stage,
        started_at=batch.received_at,
        completed_at=now,
        event=event,
        error_info=error_info or {},
    )
