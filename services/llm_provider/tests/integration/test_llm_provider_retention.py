"""Prompts, answers and requests are deleted when their time is over, in bounded steps; costs stay known."""

import json
from datetime import timedelta

from event_contracts import LLMComparisonResultV1
from llm_provider.adapters.postgres.retention import retention_rules
from llm_provider.tests.building import comparison, judge_request
from llm_provider.tests.postgres_fixtures import Stored, stored
from llm_provider.tests.serving import memory_bus, serving, settings_for, submit
from service_kit.housekeeping import Housekeeping
from service_kit.tests.builders import new_metrics

RULES = {
    rule.name: rule
    for rule in retention_rules(
        prompt_retention=timedelta(days=7),
        answer_retention=timedelta(days=90),
        request_retention=timedelta(days=365),
        spending_retention=timedelta(days=2557),
    )
}


async def applied(queue: Stored, name: str, *, limit: int | None = None) -> int:
    rule = RULES[name]
    async with queue.database.transaction() as connection:
        values = {"age": rule.keep, "limit": limit or rule.rows}
        return (await connection.execute(rule.statement, values)).rowcount


async def test_prompts_are_deleted_in_bounded_steps(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.add(*[judge_request() for _ in range(5)])
        await queue.execute(
            "UPDATE judge_request SET state = 'failed', result = '{}', ended_at = now() - interval '8 days'"
        )
        deleted = [await applied(queue, "prompts", limit=2) for _ in range(4)]
        left = await queue.rows("SELECT 1 FROM judge_request WHERE prompt_blocks IS NOT NULL")

    assert (deleted, left) == ([2, 2, 1, 0], [])


async def test_an_answer_loses_its_reasons_and_stays_readable(database_url: str) -> None:
    bus, results = memory_bus()
    async with serving(settings_for(database_url), bus=bus) as client:
        await submit(client, [comparison("an essay of one's own")])
        await results.waits_for(1)
        async with stored(database_url) as queue:
            await queue.execute(
                "UPDATE judge_request SET ended_at = now() - interval '91 days',"
                ' metadata = metadata || \'{"note"\\: "Anna wrote it"}\''
            )
            erased = [await applied(queue, "raw answers") for _ in range(2)]
            (row,) = await queue.rows("SELECT id, metadata, prompt_blocks, result FROM judge_request")
        status = (await client.get(f"/api/v1/requests/{row.id}")).json()

    result = LLMComparisonResultV1.model_validate_json(row.result)
    assert erased == [1, 0]
    assert (result.winner is not None, result.justification) == (True, "")
    assert row.prompt_blocks is None
    assert "Anna" not in json.dumps(row.metadata) + row.result
    assert status["result"]["winner"] == result.winner


async def test_old_requests_go_with_their_calls_and_the_sums_stay(database_url: str) -> None:
    bus, results = memory_bus()
    async with serving(settings_for(database_url), bus=bus) as client, stored(database_url) as queue:
        await submit(client, [comparison("one"), comparison("two")])
        await results.waits_for(2)
        before = (await client.get("/api/v1/costs")).json()["total"]
        await queue.execute("UPDATE judge_request SET ended_at = now() - interval '366 days'")
        deleted = await applied(queue, "requests and their calls")
        calls = await queue.rows("SELECT 1 FROM provider_call")
        after = (await client.get("/api/v1/costs")).json()["total"]

    assert deleted == 2
    assert (calls, after) == ([], before)


async def test_an_open_request_is_never_too_old(database_url: str) -> None:
    async with stored(database_url) as queue:
        request = judge_request()
        await queue.add(request)
        await queue.execute("UPDATE judge_request SET requested_at = now() - interval '10 years'")
        for name in RULES:
            await applied(queue, name)
        (row,) = await queue.rows("SELECT prompt_blocks, is_erased FROM judge_request")

    assert row.prompt_blocks is not None
    assert not row.is_erased


async def test_the_housekeeping_applies_every_rule(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.add(judge_request())
        await queue.execute(
            "UPDATE judge_request SET state = 'failed', result = '{}', ended_at = now() - interval '8 days'"
        )
        keeper = Housekeeping(database=queue.database, metrics=new_metrics(), rules=tuple(RULES.values()))
        while await keeper.tidy() is not None:
            continue
        left = await queue.rows("SELECT 1 FROM judge_request WHERE prompt_blocks IS NOT NULL")
        failed = await queue.rows("SELECT item, error_message FROM failed_item")

    assert (left, failed) == ([], [])
