"""Assembles the service."""

from collections.abc import Sequence

import httpx2
from dishka import AsyncContainer, Provider, make_async_container
from event_contracts import API_VERSION
from quart import Blueprint, Quart
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.http.app import HttpService, create_app
from service_kit.http.authentication import Gate
from service_kit.messaging.consumer import EventConsumer
from service_kit.messaging.event_bus import EventBus
from service_kit.providers import (
    InfrastructureProvider,
    administration_api,
    measure_workers,
    readiness_checks,
    token_gate,
)
from service_kit.running import BackgroundLoop, Service
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tracing import Tracing
from service_kit.work.retention import RetentionRule
from threadpoolctl import threadpool_limits

from cj_assessment.adapters import http_admin, http_api, http_privacy
from cj_assessment.adapters.changes import Changes
from cj_assessment.adapters.events_in import routes
from cj_assessment.adapters.postgres.retention import retention_rules
from cj_assessment.providers.adapters import AdapterProvider
from cj_assessment.providers.use_cases import UseCaseProvider
from cj_assessment.providers.workers import assessment_workers, reopeners
from cj_assessment.settings import MIGRATIONS, OLDEST_SCHEMA, Settings
from cj_assessment.use_cases.accept_request import AcceptRequest
from cj_assessment.use_cases.administration.delete_anchor import DeleteAnchor
from cj_assessment.use_cases.administration.delete_instructions import DeleteInstructions
from cj_assessment.use_cases.administration.list_changes import ListChanges
from cj_assessment.use_cases.administration.list_instructions import ListInstructions
from cj_assessment.use_cases.administration.read_instructions import ReadInstructions
from cj_assessment.use_cases.administration.read_judge_rubric import ReadJudgeRubric
from cj_assessment.use_cases.administration.read_student_prompt import ReadStudentPrompt
from cj_assessment.use_cases.administration.review_anchors import ReviewAnchors
from cj_assessment.use_cases.administration.save_instructions import SaveInstructions
from cj_assessment.use_cases.administration.save_judge_rubric import SaveJudgeRubric
from cj_assessment.use_cases.administration.save_student_prompt import SaveStudentPrompt
from cj_assessment.use_cases.cancel_batch import CancelBatch
from cj_assessment.use_cases.export_data import ExportData
from cj_assessment.use_cases.forget_batch import ForgetBatch
from cj_assessment.use_cases.list_anchors import ListAnchors
from cj_assessment.use_cases.list_batches import ListBatches
from cj_assessment.use_cases.read_batch import ReadBatch
from cj_assessment.use_cases.read_content import ReadContent
from cj_assessment.use_cases.read_erasure import ReadErasure
from cj_assessment.use_cases.record_results import RecordResults
from cj_assessment.use_cases.register_anchor import RegisterAnchor
from cj_assessment.use_cases.store_content import StoreContent

NAME = "cj_assessment_service"
BLAS_THREADS = 1
"""Fits run side by side in threads of their own; the matrices of one batch are too small to be shared out."""


async def build_service(
    settings: Settings, *, bus: EventBus | None, overrides: Sequence[Provider] = ()
) -> Service:
    """Assemble everything; nothing is connected yet. What ``overrides`` provide takes the place of the adapters."""
    threadpool_limits(limits=BLAS_THREADS, user_api="blas")
    container = make_async_container(
        InfrastructureProvider(settings, service=NAME, bus=bus, retention=_retention(settings)),
        AdapterProvider(settings),
        UseCaseProvider(),
        *overrides,
    )
    event_bus = await container.get(EventBus)
    await _subscribe(container, event_bus, group=settings.kafka_consumer_group)
    workers, metrics = await assessment_workers(container), await container.get(ServiceMetrics)
    gate = token_gate(settings, client=await container.get(httpx2.AsyncClient))
    administration = [
        *administration_api(database=await container.get(Database), reopen=await reopeners(container)),
        await _privacy(container),
    ]
    measure_workers(workers, metrics)
    return Service(
        name=NAME,
        app=await _app(
            container,
            event_bus,
            workers,
            administration,
            gate,
            settings=settings,
        ),
        host=settings.http_host,
        port=settings.http_port,
        database_url=settings.database_url,
        migrations=MIGRATIONS,
        oldest_schema=OLDEST_SCHEMA,
        migrates_at_start=settings.migrate_at_start,
        bus=event_bus,
        workers=workers,
        metrics=metrics,
        close=container.close,
    )


def _retention(settings: Settings) -> Sequence[RetentionRule]:
    return retention_rules(
        text_retention=settings.text_retention,
        result_retention=settings.result_retention,
        erasure_retention=settings.erasure_retention,
        audit_retention=settings.audit_retention,
    )


async def _privacy(container: AsyncContainer) -> Blueprint:
    """The routes that forget and export."""
    export = await container.get(ExportData)
    actions = http_privacy.PrivacyActions(
        forget=await container.get(ForgetBatch),
        erasure=await container.get(ReadErasure),
        export_batch=export.batch,
        export_essay=export.essay,
    )
    return http_privacy.privacy_api(actions)


async def _actions(container: AsyncContainer) -> http_api.Actions:
    read = await container.get(ReadBatch)
    return http_api.Actions(
        accept=await container.get(AcceptRequest),
        cancel=await container.get(CancelBatch),
        batches=await container.get(ListBatches),
        status=read.status,
        results=read.results,
        comparisons=read.comparisons,
        changed=(await container.get(Changes)).wait,
        record_results=await container.get(RecordResults),
        store_content=await container.get(StoreContent),
        read_content=await container.get(ReadContent),
        register_anchor=await container.get(RegisterAnchor),
        list_anchors=await container.get(ListAnchors),
    )


async def _admin_actions(container: AsyncContainer) -> http_admin.AdminActions:
    return http_admin.AdminActions(
        save_instructions=await container.get(SaveInstructions),
        list_instructions=await container.get(ListInstructions),
        read_instructions=await container.get(ReadInstructions),
        delete_instructions=await container.get(DeleteInstructions),
        save_student_prompt=await container.get(SaveStudentPrompt),
        read_student_prompt=await container.get(ReadStudentPrompt),
        save_judge_rubric=await container.get(SaveJudgeRubric),
        read_judge_rubric=await container.get(ReadJudgeRubric),
        review_anchors=await container.get(ReviewAnchors),
        delete_anchor=await container.get(DeleteAnchor),
        list_changes=await container.get(ListChanges),
        registry=(await container.get(ServiceMetrics)).registry,
    )


async def _subscribe(container: AsyncContainer, bus: EventBus, *, group: str) -> None:
    accept = await container.get(AcceptRequest)
    record = await container.get(RecordResults)
    EventConsumer(
        bus=bus,
        service=NAME,
        group=group,
        routes=routes(accept_requests=accept.from_events, record_results=record),
        metrics=await container.get(ServiceMetrics),
        tracing=await container.get(Tracing),
    ).subscribe()


async def _app(
    container: AsyncContainer,
    bus: EventBus,
    workers: Sequence[BackgroundLoop],
    administration: Sequence[Blueprint],
    gate: Gate,
    *,
    settings: Settings,
) -> Quart:
    actions = await _actions(container)
    return create_app(
        HttpService(
            name=NAME,
            title="CJ Assessment",
            version=API_VERSION,
            blueprints=[
                http_api.assessments_api(actions),
                http_api.batches_api(actions),
                http_api.anchors_api(actions),
                http_api.content_api(actions),
                http_api.callbacks_api(actions, signer=await container.get(WebhookSigner)),
                http_admin.admin_api(await _admin_actions(container)),
                *administration,
            ],
            checks=readiness_checks(
                database=await container.get(Database),
                bus=bus,
                migrations=MIGRATIONS,
                oldest_schema=OLDEST_SCHEMA,
                workers=workers,
            ),
            metrics=await container.get(ServiceMetrics),
            gate=gate,
            max_failed_logins=settings.max_failed_logins,
            development=settings.development,
            tracing=await container.get(Tracing),
        )
    )
