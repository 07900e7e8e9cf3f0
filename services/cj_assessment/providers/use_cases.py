"""The use cases, and which worker each of them wakes."""

from dishka import Provider, Scope, provide

from cj_assessment.adapters.changes import Changes
from cj_assessment.adapters.content import LocalContent
from cj_assessment.domain.batch import Defaults, TextRules
from cj_assessment.domain.comparison import AttemptPolicy
from cj_assessment.domain.deciding import DecisionRules
from cj_assessment.domain.residency import Residency
from cj_assessment.ports import (
    CallbackRules,
    ContentStore,
    Erasures,
    Exports,
    JudgeCatalogue,
    LlmProvider,
    MessageLimits,
    PromptWatcher,
    RequestEraser,
    ResultWatcher,
    Store,
    TextRemover,
)
from cj_assessment.providers.wakeups import (
    AdvanceWakeup,
    ForgetWakeup,
    PrepareWakeup,
    ReportWakeup,
    SubmitWakeup,
    WithdrawWakeup,
)
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
from cj_assessment.use_cases.advance_batch import AdvanceBatches
from cj_assessment.use_cases.cancel_batch import CancelBatch
from cj_assessment.use_cases.complete_erasures import CompleteErasures
from cj_assessment.use_cases.expire_attempts import ExpireAttempts
from cj_assessment.use_cases.export_data import ExportData
from cj_assessment.use_cases.finish_batch import FinishBatch
from cj_assessment.use_cases.forget_batch import ForgetBatch
from cj_assessment.use_cases.list_anchors import ListAnchors
from cj_assessment.use_cases.list_batches import ListBatches
from cj_assessment.use_cases.prepare_batch import PrepareBatch
from cj_assessment.use_cases.read_batch import ReadBatch
from cj_assessment.use_cases.read_content import ReadContent
from cj_assessment.use_cases.read_erasure import ReadErasure
from cj_assessment.use_cases.record_results import RecordResults
from cj_assessment.use_cases.register_anchor import RegisterAnchor
from cj_assessment.use_cases.reopen_batch import ReopenBatch
from cj_assessment.use_cases.report_consumption import ReportConsumption
from cj_assessment.use_cases.shared.content_waiting import ContentTimeout
from cj_assessment.use_cases.store_content import StoreContent
from cj_assessment.use_cases.submit_comparisons import SubmitComparisons
from cj_assessment.use_cases.withdraw_attempts import WithdrawAttempts


class UseCaseProvider(Provider):
    """The verbs of the service."""

    scope = Scope.APP

    read = provide(ReadBatch)
    list_batches = provide(ListBatches)
    read_erasure = provide(ReadErasure)
    register_anchor = provide(RegisterAnchor)
    list_anchors = provide(ListAnchors)
    withdraw = provide(WithdrawAttempts)
    report = provide(ReportConsumption)
    store_content = provide(StoreContent)
    read_content = provide(ReadContent)
    save_instructions = provide(SaveInstructions)
    list_instructions = provide(ListInstructions)
    read_instructions = provide(ReadInstructions)
    delete_instructions = provide(DeleteInstructions)
    save_student_prompt = provide(SaveStudentPrompt)
    read_student_prompt = provide(ReadStudentPrompt)
    save_judge_rubric = provide(SaveJudgeRubric)
    read_judge_rubric = provide(ReadJudgeRubric)
    review_anchors = provide(ReviewAnchors)
    delete_anchor = provide(DeleteAnchor)
    list_changes = provide(ListChanges)

    @provide
    def accept(
        self,
        store: Store,
        judges: JudgeCatalogue,
        callbacks: CallbackRules,
        defaults: Defaults,
        prepare: PrepareWakeup,
        residency: Residency,
    ) -> AcceptRequest:
        return AcceptRequest(
            store=store,
            judges=judges,
            callbacks=callbacks,
            defaults=defaults,
            wake_prepare=prepare.wake,
            residency=residency,
        )

    @provide
    def finish(
        self,
        store: Store,
        content: ContentStore,
        own_content: LocalContent,
        limits: MessageLimits,
        content_timeout: ContentTimeout,
    ) -> FinishBatch:
        return FinishBatch(
            store=store,
            content=content,
            own_content=own_content,
            limits=limits,
            content_timeout=content_timeout,
        )

    @provide
    def advance(
        self,
        store: Store,
        rules: DecisionRules,
        finish: FinishBatch,
        submit: SubmitWakeup,
        withdraw: WithdrawWakeup,
        changes: Changes,
    ) -> AdvanceBatches:
        return AdvanceBatches(
            store=store,
            rules=rules,
            finish=finish,
            wake_submit=changes.notify_and_wake(submit.wake),
            wake_withdraw=changes.notify_and_wake(withdraw.wake),
        )

    @provide
    def submit(
        self,
        store: Store,
        llm_provider: LlmProvider,
        policy: AttemptPolicy,
        advance: AdvanceWakeup,
        submit: SubmitWakeup,
        changes: Changes,
    ) -> SubmitComparisons:
        return SubmitComparisons(
            store=store,
            llm_provider=llm_provider,
            policy=policy,
            wake_advance=advance.wake,
            wake_submit=changes.notify_and_wake(submit.wake),
        )

    @provide
    def prepare(
        self,
        store: Store,
        content: ContentStore,
        judges: JudgeCatalogue,
        rules: TextRules,
        content_timeout: ContentTimeout,
        watcher: PromptWatcher,
        limits: MessageLimits,
        advance: AdvanceWakeup,
        changes: Changes,
    ) -> PrepareBatch:
        return PrepareBatch(
            store=store,
            content=content,
            judges=judges,
            rules=rules,
            content_timeout=content_timeout,
            watcher=watcher,
            limits=limits,
            wake_advance=changes.notify_and_wake(advance.wake),
        )

    @provide
    def record(
        self,
        store: Store,
        watcher: ResultWatcher,
        advance: AdvanceWakeup,
        submit: SubmitWakeup,
        report: ReportWakeup,
        changes: Changes,
    ) -> RecordResults:
        return RecordResults(
            store=store,
            watcher=watcher,
            wake_advance=changes.notify_and_wake(advance.wake),
            wake_submit=submit.wake,
            wake_report=report.wake,
        )

    @provide
    def expire(
        self,
        store: Store,
        llm_provider: LlmProvider,
        policy: AttemptPolicy,
        advance: AdvanceWakeup,
        submit: SubmitWakeup,
        report: ReportWakeup,
    ) -> ExpireAttempts:
        return ExpireAttempts(
            store=store,
            llm_provider=llm_provider,
            policy=policy,
            wake_advance=advance.wake,
            wake_submit=submit.wake,
            wake_report=report.wake,
        )

    @provide
    def reopen(self, store: Store, prepare: PrepareWakeup, advance: AdvanceWakeup) -> ReopenBatch:
        return ReopenBatch(store=store, wake_prepare=prepare.wake, wake_advance=advance.wake)

    @provide
    def forget(self, erasures: Erasures, submit: SubmitComparisons, wakeup: ForgetWakeup) -> ForgetBatch:
        return ForgetBatch(erasures=erasures, wake=wakeup.wake, forget_cached=submit.materials.clear)

    @provide
    def complete_erasures(
        self, erasures: Erasures, requests: RequestEraser, texts: TextRemover | None
    ) -> CompleteErasures:
        return CompleteErasures(erasures=erasures, requests=requests, texts=texts)

    @provide
    def export(self, exports: Exports, requests: RequestEraser) -> ExportData:
        return ExportData(exports=exports, requests=requests)

    @provide
    def cancel(self, store: Store, advance: AdvanceWakeup, changes: Changes) -> CancelBatch:
        return CancelBatch(store=store, wake_advance=changes.notify_and_wake(advance.wake))
