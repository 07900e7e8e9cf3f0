"""Wake-ups of single workers, as types of their own so that each is provided once."""

from dishka import Provider, Scope, provide
from service_kit.work.worker import Wakeup


class ReturnWakeup(Wakeup):
    """For the worker that returns requests to the queue."""


class JobWakeup(Wakeup):
    """For the worker that runs batch jobs."""


class WakeupProvider(Provider):
    """The wake-ups."""

    scope = Scope.APP

    returns = provide(ReturnWakeup)
    jobs = provide(JobWakeup)
