"""Vendors of models that answer as they are told to: real HTTP, each vendor's own protocol, batch jobs included.

    async with fake_vendors(always(Answer(ending=Ending.CUT_OFF))) as vendors:
        judge = AnthropicJudge(client, access=anthropic_access(KEY, vendors.url("anthropic")))

A scenario decides, call by call, what is answered; what came in is kept in ``vendors.received``.
"""

from llm_provider.tests.vendors.fake_vendors.allowance import Allowance
from llm_provider.tests.vendors.fake_vendors.jobs import JobEnd
from llm_provider.tests.vendors.fake_vendors.scenario import (
    KEY,
    VERDICT,
    Answer,
    Behaviour,
    BreaksOff,
    Expires,
    Failure,
    Raw,
    Received,
    Scenario,
    always,
    by_chance,
    in_turn,
)
from llm_provider.tests.vendors.fake_vendors.server import application, fake_vendors
from llm_provider.tests.vendors.fake_vendors.state import FakeVendors

__all__ = [
    "KEY",
    "VERDICT",
    "Allowance",
    "Answer",
    "Behaviour",
    "BreaksOff",
    "Expires",
    "Failure",
    "FakeVendors",
    "JobEnd",
    "Raw",
    "Received",
    "Scenario",
    "always",
    "application",
    "by_chance",
    "fake_vendors",
    "in_turn",
]
