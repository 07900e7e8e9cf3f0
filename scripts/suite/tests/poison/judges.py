"""A simulated judge that texts can make slow or silent, or make fail once."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from dishka import Provider, Scope, decorate
from llm_provider.domain.calls.errors import JudgeTimeout
from llm_provider.ports import Judge, JudgeCall, JudgeReply
from llm_provider.providers import Judges

SLOW: Final = "snailish"
FAILS_ONCE: Final = "stumbling"
SILENT: Final = "wordless"
SLOW_SECONDS: Final = 6.0
"""Longer than the suite here waits for an answer."""
SILENT_SECONDS: Final = 120.0
"""Longer than a worker rests that has had nothing to do."""


@dataclass(frozen=True)
class UnreliableJudge:
    """Judges as ``inner`` does, except for texts that hold one of the words above."""

    inner: Judge

    async def judge(self, call: JudgeCall) -> JudgeReply:
        """Judge, after some seconds or at the second attempt where a text says so."""
        if SLOW in call.prompt.user:
            await asyncio.sleep(SLOW_SECONDS)
        if SILENT in call.prompt.user:
            await asyncio.sleep(SILENT_SECONDS)
        if FAILS_ONCE in call.prompt.user and call.attempt == 1:
            raise JudgeTimeout("no answer to the first call", may_be_billed=False)
        return await self.inner.judge(call)


class UnreliableJudges(Provider):
    """Puts the unreliable judge in the place of each judge."""

    scope = Scope.APP

    @decorate
    def judges(self, judges: Judges) -> Judges:
        """The judges, each inside an unreliable one."""
        return replace(judges, live={name: UnreliableJudge(judge) for name, judge in judges.live.items()})
