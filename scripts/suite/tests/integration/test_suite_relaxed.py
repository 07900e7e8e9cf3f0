"""A relaxed batch goes through a vendor's batch API, in three jobs at most, at half the price."""

import json
import math
import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from cj_assessment.tests.building import request
from event_contracts import MAX_COMPARISONS_PER_SUBMISSION, LLMConfigOverrides, read_fenced_pair
from event_contracts.judging import MARGINS
from llm_provider.domain.costs.usage import Usage
from llm_provider.tests.vendors.bodies import texts
from llm_provider.tests.vendors.fake_vendors import KEY, Answer, FakeVendors, Received, fake_vendors
from scipy.stats import spearmanr
from suite.tests.both_services import BothServices, both_services

pytestmark = pytest.mark.slow

ESSAYS, MANY_ESSAYS = 24, 210
MAX_JOBS = 3
USAGE = Usage(input=2_000, output=100)
MODELS = {"anthropic": "claude-haiku-5-5", "openai": "gpt-6-luna", "google": "gemini-3.8-flash"}
PRICES = {"anthropic": ("0.10", "0.50"), "openai": ("0.10", "0.50"), "google": ("0.75", "3.75")}
"""US dollars per million tokens, input and output, of a live call."""


def ability(number: int) -> float:
    """In logits; the essays of 24 have a standard deviation of 1.7."""
    return 0.25 * (number % ESSAYS)


def graded(received: Received) -> Answer:
    """What a judge says who sees how good the essays are, with some noise, and says by how much."""
    text_a, text_b = read_fenced_pair("\n".join(texts(received.body)))
    drawn = random.Random(text_a + text_b).uniform(0.001, 0.999)
    lead = ability(number_of(text_a)) - ability(number_of(text_b)) + math.log(drawn / (1 - drawn))
    verdict = {
        "winner": "Essay A" if lead > 0 else "Essay B",
        "margin": MARGINS[(abs(lead) > 2) + (abs(lead) > 5)],
        "justification": "It goes further.",
        "confidence": 4,
    }
    return Answer(text=json.dumps(verdict), usage=USAGE)


def number_of(text: str) -> int:
    return int(text.split()[2].rstrip("."))


def of_provider(vendors: FakeVendors, *, collect_for: timedelta = timedelta(seconds=1)) -> dict[str, Any]:
    return {
        **{f"{vendor}_api_key": KEY for vendor in MODELS},
        **{f"{vendor}_url": vendors.url(vendor) for vendor in MODELS},
        "batch_collect_for": collect_for,
        "batch_poll_interval": timedelta(seconds=0.1),
    }


async def assess(
    services: BothServices, vendor: str, *, essays: int = ESSAYS
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Status and result of a relaxed batch, at its end."""
    batch_id, stored = f"batch-{uuid4().hex}", dict[str, str]()
    for number in range(essays):
        answer = await services.assessment.post(
            "/v1/content",
            content=f"Essay number {number}. It goes on for a while.".encode(),
            headers={"content-type": "text/plain"},
        )
        stored[str(number)] = answer.json()["storage_id"]
    envelope = request(
        stored,
        batch_id=batch_id,
        overrides=LLMConfigOverrides(provider_override=vendor, model_override=MODELS[vendor]),
        hints={"latency": "relaxed"},
    )
    answer = await services.assessment.post(
        "/api/v1/assessments", content=envelope.to_json(), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 202, answer.text
    status = await services.until_ended(f"/api/v1/batches/{batch_id}")
    return status, (await services.assessment.get(f"/api/v1/batches/{batch_id}/results")).json()["result"]


@pytest.mark.parametrize("vendor", MODELS)
async def test_a_relaxed_batch_is_ranked_in_three_jobs_at_half_the_price(
    make_database: Callable[[str], str], vendor: str
) -> None:
    async with (
        fake_vendors(graded) as vendors,
        both_services(
            make_database("relaxed_cj"), make_database("relaxed_llm"), provider=of_provider(vendors)
        ) as services,
    ):
        status, result = await assess(services, vendor)
        costs = (await services.provider.get("/api/v1/costs")).json()["total"]

    judged = status["progress"]["comparisons_judged"]
    in_order = sorted(result["essay_results"], key=lambda essay: int(essay["essay_id"]))
    price = sum(Decimal(one) * tokens for one, tokens in zip(PRICES[vendor], (2_000, 100), strict=True))
    assert (status["state"], status["stop_reason"]) == ("completed", "target_reached")
    assert 1 < len(vendors.jobs) <= MAX_JOBS
    assert all(received.in_batch for received in vendors.received)
    assert judged == sum(len(job.items) for job in vendors.jobs.values()) == costs["calls"]
    assert status["cost"]["cost_usd"] == costs["cost_usd"]
    assert costs["cost_usd"] == pytest.approx(float(judged * price / 1_000_000 / 2), rel=1e-9)
    assert spearmanr([essay["bt_score"] for essay in in_order], range(ESSAYS)).statistic > 0.9


async def test_a_round_that_is_submitted_in_parts_is_one_job(make_database: Callable[[str], str]) -> None:
    async with (
        fake_vendors(graded) as vendors,
        both_services(
            make_database("relaxed_cj"),
            make_database("relaxed_llm"),
            # A busy machine takes seconds between the parts.
            provider=of_provider(vendors, collect_for=timedelta(seconds=8)),
        ) as services,
    ):
        status, _ = await assess(services, "anthropic", essays=MANY_ESSAYS)

    assert status["state"] == "completed"
    assert max(len(job.items) for job in vendors.jobs.values()) > MAX_COMPARISONS_PER_SUBMISSION
    assert len(vendors.jobs) <= MAX_JOBS
