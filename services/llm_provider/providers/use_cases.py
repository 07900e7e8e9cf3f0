"""The verbs of the service."""

from collections.abc import Sequence

from dishka import Provider, Scope, provide
from model_manifest import list_providers
from service_kit.tracing import Tracing
from service_kit.work.isolation import isolate, isolate_largest_first
from service_kit.work.worker import Heartbeat

from llm_provider.adapters.tracing import traced_call
from llm_provider.domain.batch_job import JobPolicy
from llm_provider.domain.calls.retrying import RetryPolicy
from llm_provider.domain.costs.cost import CostLimits
from llm_provider.ports import CallbackRules, CallWatcher, Catalogue, Erasures, StateWatcher, Store
from llm_provider.ports.worker_names import judge_worker
from llm_provider.providers.failures import Failures, WorkerSteps
from llm_provider.providers.judges import Judges
from llm_provider.providers.wakeups import CollectorWakeups, JudgeWakeups, ReturnWakeup
from llm_provider.settings import Settings
from llm_provider.use_cases.batch_jobs.run_jobs import RunJobs
from llm_provider.use_cases.judging.judge_requests import JudgeRequests
from llm_provider.use_cases.judging.make_call import MakeCall
from llm_provider.use_cases.judging.open_meters import OpenMeters
from llm_provider.use_cases.judging.record_calls import RecordCalls
from llm_provider.use_cases.judging.record_isolated import RecordIsolated, UnrecordedCalls
from llm_provider.use_cases.operations.alert_on_spending import AlertOnSpending
from llm_provider.use_cases.operations.measure_state import MeasureState
from llm_provider.use_cases.operations.pause_provider import PauseProvider
from llm_provider.use_cases.operations.read_costs import ReadCosts
from llm_provider.use_cases.operations.read_providers import ReadProviders
from llm_provider.use_cases.requests.accept_comparisons import AcceptComparisons
from llm_provider.use_cases.requests.cancel_request import CancelRequest
from llm_provider.use_cases.requests.end_requests import EndRequests
from llm_provider.use_cases.requests.forget_batch import ForgetBatch
from llm_provider.use_cases.requests.give_up_outages import GiveUpOutages
from llm_provider.use_cases.requests.read_request import ReadRequest
from llm_provider.use_cases.requests.return_requests import ReturnRequests
from llm_provider.use_cases.requests.set_aside_request import SetAsideRequest


class UseCaseProvider(Provider):
    """The verbs of the service."""

    scope = Scope.APP

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    read = provide(ReadRequest)
    cancel = provide(CancelRequest)
    costs = provide(ReadCosts)
    alert = provide(AlertOnSpending)

    @provide
    def measure(
        self, store: Store, catalogue: Catalogue, watcher: StateWatcher, limits: CostLimits, judges: Judges
    ) -> MeasureState:
        return MeasureState(
            store=store, catalogue=catalogue, watcher=watcher, limits=limits, providers=tuple(judges.live)
        )

    @provide
    def end(self, store: Store) -> EndRequests:
        return EndRequests(store=store, max_attempts=self._settings.max_attempts)

    @provide
    def give_up_outages(self, store: Store) -> GiveUpOutages:
        return GiveUpOutages(store=store, outage_timeout=self._settings.outage_timeout)

    @provide
    def set_aside(self, store: Store) -> SetAsideRequest:
        return SetAsideRequest(store=store, isolate=isolate)

    @provide
    def forget(self, erasures: Erasures, cancel: CancelRequest) -> ForgetBatch:
        return ForgetBatch(erasures=erasures, cancel=cancel)

    @provide
    def providers(self, store: Store, judges: Judges) -> ReadProviders:
        return ReadProviders(
            store=store, known=_known(), configured=frozenset(judges.live), needs=judges.needs
        )

    @provide
    def pause(self, store: Store, wakeups: JudgeWakeups) -> PauseProvider:
        return PauseProvider(store=store, known=_known(), wake_judges=wakeups.wake)

    @provide
    def return_requests(self, store: Store, wakeups: JudgeWakeups) -> ReturnRequests:
        return ReturnRequests(store=store, wake_judges=wakeups.wake, max_attempts=self._settings.max_attempts)

    @provide
    def open_meters(self, store: Store, catalogue: Catalogue, judges: Judges) -> OpenMeters:
        return OpenMeters(store=store, catalogue=catalogue, configured=frozenset(judges.live))

    @provide
    def accept(
        self,
        store: Store,
        catalogue: Catalogue,
        callbacks: CallbackRules,
        policy: RetryPolicy,
        judge_wakeups: JudgeWakeups,
        collector_wakeups: CollectorWakeups,
    ) -> AcceptComparisons:
        return AcceptComparisons(
            store=store,
            catalogue=catalogue,
            callbacks=callbacks,
            policy=policy,
            max_queue_size=self._settings.max_queue_size,
            wake_judges=judge_wakeups.wake,
            wake_collectors=collector_wakeups.wake,
            isolate=isolate,
            metered=set(catalogue.models()),
        )

    @provide
    def record(
        self,
        store: Store,
        catalogue: Catalogue,
        policy: RetryPolicy,
        watcher: CallWatcher,
        returns: ReturnWakeup,
    ) -> RecordCalls:
        return RecordCalls(
            store=store,
            catalogue=catalogue,
            policy=policy,
            watcher=watcher,
            publish_call_events=self._settings.publish_call_events,
            wake_returns=returns.wake,
        )

    @provide
    def record_isolated(
        self, record: RecordCalls, set_aside: SetAsideRequest, failures: Failures
    ) -> RecordIsolated:
        unrecorded = UnrecordedCalls(set_aside_request=set_aside)
        return RecordIsolated(
            record=record,
            isolate=isolate_largest_first,
            unrecorded=unrecorded,
            count_failure=failures.of_calls(unrecorded.set_aside),
        )

    @provide
    def run_jobs(
        self,
        store: Store,
        judges: Judges,
        catalogue: Catalogue,
        record: RecordIsolated,
        policy: JobPolicy,
        failures: Failures,
    ) -> RunJobs:
        return RunJobs(
            store=store,
            judges=judges.batch,
            catalogue=catalogue,
            record=record,
            policy=policy,
            publish_call_events=self._settings.publish_call_events,
            set_aside_unreadable=failures.of_unreadable_rows(),
        )

    @provide
    def judge_workers(
        self,
        judges: Judges,
        store: Store,
        catalogue: Catalogue,
        record: RecordIsolated,
        policy: RetryPolicy,
        wakeups: JudgeWakeups,
        open_meters: OpenMeters,
        failures: Failures,
        watcher: CallWatcher,
        tracing: Tracing,
    ) -> tuple[JudgeRequests, ...]:
        settings = self._settings
        return tuple(
            JudgeRequests(
                provider=provider,
                prepare=open_meters,
                make_call=traced_call(
                    MakeCall(judge=judge, catalogue=catalogue, timeout=settings.call_timeout), tracing
                ),
                record=record,
                store=store,
                concurrency=settings.concurrency,
                lease=settings.lease_duration,
                drain=settings.drain_timeout,
                rate_limit_delay=policy.retry_delay(1),
                publish_call_events=settings.publish_call_events,
                set_aside_unreadable=failures.of_unreadable_rows(),
                count_untaken=failures.of_untaken_rows(),
                isolate=isolate_largest_first,
                watch_wait=watcher.watch_wait,
                steps=WorkerSteps(judge_worker(provider)),
                wakeup=wakeups[provider],
                heartbeat=Heartbeat(),
            )
            for provider, judge in judges.live.items()
        )


def _known() -> Sequence[str]:
    return [str(provider) for provider in list_providers()]
