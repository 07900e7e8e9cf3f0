"""Wake-ups of the workers, as types of their own so that each is provided once."""

from dishka import Provider, Scope, provide
from service_kit.work.worker import Wakeup

from llm_provider.providers.judges import Judges


class ReturnWakeup(Wakeup):
    """For the worker that returns requests to the queue."""


class JobWakeup(Wakeup):
    """For the worker that runs batch jobs."""


class Wakeups(dict[str, Wakeup]):
    """One for each provider's worker of one kind."""

    def wake(self, *providers: str) -> None:
        """Wake those of these providers that are here; all of them where none is named."""
        for provider in providers or self:
            if provider in self:
                self[provider].wake()


class JudgeWakeups(Wakeups):
    """For the workers that judge."""


class CollectorWakeups(Wakeups):
    """For the workers that collect batch jobs."""


class WakeupProvider(Provider):
    """The wake-ups."""

    scope = Scope.APP

    returns = provide(ReturnWakeup)
    jobs = provide(JobWakeup)

    @provide
    def judge_wakeups(self, judges: Judges) -> JudgeWakeups:
        return JudgeWakeups({provider: Wakeup() for provider in judges.live})

    @provide
    def collector_wakeups(self, judges: Judges) -> CollectorWakeups:
        return CollectorWakeups({provider: Wakeup() for provider in judges.batch})
