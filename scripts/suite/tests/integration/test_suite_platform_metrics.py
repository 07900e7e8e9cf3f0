"""The metrics that the platform's dashboards read are there, by their names and labels, after a batch."""

import asyncio
from pathlib import Path

import httpx2
from batch_runner.running.request import RunOptions
from event_contracts import Topic
from prometheus_client.parser import text_string_to_metric_families
from service_kit.tests.waiting import read_until
from suite.processes.batches import generated_essays, send_batch, wait_until_ended
from suite.stack.options import Ports, StackOptions
from suite.stack.running import embedded_stack
from suite_access import CallerToken

HTTP_LABELS = {"method", "endpoint", "status_code"}


async def samples(url: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Every sample that a service shows, by its name."""
    async with httpx2.AsyncClient(timeout=30) as http:
        answer = (await http.get(f"{url}/metrics")).raise_for_status()
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


async def test_the_platforms_dashboards_find_what_they_read(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(600),
        embedded_stack(StackOptions(data=tmp_path / "data", ports=Ports.free())) as addresses,
    ):
        auth = CallerToken(addresses.cj_assessment, role="runner", folder=tmp_path / "data")
        options = RunOptions(label="measured", max_comparisons=12)
        await send_batch(addresses.cj_assessment, generated_essays(6), options, auth=auth)
        ended = await wait_until_ended(addresses.cj_assessment, options.batch_id, seconds=500, auth=auth)
        async with httpx2.AsyncClient(timeout=30) as http:
            await http.get(f"{addresses.batch_conductor}/healthz")
        assessment = await samples(addresses.cj_assessment)
        provider = await read_until(
            lambda: samples(addresses.llm_provider),
            holds=lambda found: "llm_provider_circuit_breaker_state" in found,
            what="the breakers are measured, which they are every few seconds",
            every=0.5,
        )
        conductor = await samples(addresses.batch_conductor)

    judged = ended.progress.comparisons_judged
    assert judged > 0
    for found, name in ((assessment, "cj_assessment"), (provider, "llm_provider"), (conductor, "bcs")):
        requests = found[f"{name}_http_requests_total"]
        assert all(labels.keys() == HTTP_LABELS for labels, _ in requests)
        assert all(options.batch_id not in labels["endpoint"] for labels, _ in requests), (
            "a template, not the path"
        )
    assert assessment["huleedu_cj_comparisons_made"] == [({}, judged)]
    waited = {labels["topic"]: n for labels, n in assessment["kafka_message_queue_latency_seconds_count"]}
    assert waited[Topic.LLM_COMPARISON_RESULT] >= judged
    judge = {"provider": "mock", "model": "simulated-judge-1"}
    assert (judge, 0) in provider["llm_provider_circuit_breaker_state"]
    assert (judge, 0) in provider["llm_provider_cost_dollars_total"]
