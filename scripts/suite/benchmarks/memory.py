"""Peak memory of the services while very many long essays are assessed together, compared with the size of their texts.

Two loads, each in fresh processes: one batch of all essays, and the same essays in many concurrent batches.
"""

import asyncio
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from batch_runner.assignment.contents import Assignment, StudentEssay
from batch_runner.running.request import RunOptions
from event_contracts import CourseCode

from suite.benchmarks.page import write_section
from suite.embedded.kafka import throwaway_kafka
from suite.embedded.postgres import throwaway_postgres
from suite.processes.batches import WORDS, send_batch, wait_until_ended, write_qualities
from suite.processes.pair import ServicePair, make_pair, running

ESSAYS = 2_000
CHARACTERS = 60_000
BATCHES = 64
COMPARISONS = 2_000
"""Comparisons of all batches together."""
SAMPLE_INTERVAL_SECONDS = 0.1
MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Load:
    """What was assessed, how long it took, and the memory of each service in megabytes before and at its peak."""

    batches: int
    judged: int
    seconds: float
    before: dict[str, float]
    peak: dict[str, float]


def long_essays(count: int, *, seed: int) -> Assignment:
    """Essays of ``CHARACTERS`` characters each, all different."""
    chance = random.Random(seed)
    vocabulary = " ".join(chance.choice(WORDS) for _ in range(CHARACTERS // 3))
    essays = []
    for number in range(count):
        start = chance.randrange(len(vocabulary) - CHARACTERS)
        text = f"{seed} {number} {vocabulary[start : start + CHARACTERS]}"[:CHARACTERS].strip()
        essays.append(StudentEssay(essay_id=f"essay-{number:04}", text=text))
    return Assignment(title="Long essays", course_code=CourseCode.ENG5, language="en", essays=tuple(essays))


async def measure(folder: Path, *, batches: int) -> Load:
    """Assess all essays in this many concurrent batches."""
    assignments = [long_essays(ESSAYS // batches, seed=number) for number in range(batches)]
    with throwaway_postgres() as postgres, throwaway_kafka() as kafka:
        pair = make_pair(
            postgres,
            kafka.bootstrap,
            name=f"memory{batches}",
            folder=folder,
            qualities=write_qualities(assignments[0], folder / f"qualities-{batches}.toml"),
        )
        async with running(pair):
            before, peak = _megabytes(pair), _megabytes(pair)
            watching = asyncio.create_task(_watch(pair, peak))
            started = time.perf_counter()
            judged = await asyncio.gather(*(_judge(pair, one) for one in assignments))
            seconds = time.perf_counter() - started
            watching.cancel()
    return Load(batches=batches, judged=sum(judged), seconds=seconds, before=before, peak=peak)


async def _judge(pair: ServicePair, assignment: Assignment) -> int:
    comparisons = COMPARISONS * len(assignment.essays) // ESSAYS
    options = RunOptions(label="memory", max_comparisons=comparisons, target_reliability=0.9999)
    await send_batch(pair.assessment.url, assignment, options)
    status = await wait_until_ended(pair.assessment.url, options.batch_id, seconds=3600)
    return status.progress.comparisons_judged


async def _watch(pair: ServicePair, peak: dict[str, float]) -> None:
    while True:
        for who, now in _megabytes(pair).items():
            peak[who] = max(peak[who], now)
        await asyncio.sleep(SAMPLE_INTERVAL_SECONDS)


def _megabytes(pair: ServicePair) -> dict[str, float]:
    services = {"CJ Assessment": pair.assessment.pid, "LLM Provider": pair.provider.pid}
    return {who: psutil.Process(pid).memory_info().rss / MEGABYTE for who, pid in services.items()}


def section(loads: list[Load]) -> str:
    """The section of the page of figures."""
    texts = ESSAYS * CHARACTERS / MEGABYTE
    rows = [
        f"| {load.batches} | {load.judged} | {load.seconds:.0f} |"
        + "".join(f" {load.before[who]:.0f} | {load.peak[who]:.0f} |" for who in load.before)
        for load in loads
    ]
    return "\n".join(
        [
            "<!-- memory: written by make bench-memory -->",
            "## Memory",
            "",
            f"`make bench-memory`: {ESSAYS:,} essays of {CHARACTERS:,} characters, {texts:.0f} MB of text. Megabytes of"
            " each service's process before and at its peak; the bounds are `MAX_CACHED_TEXT_BYTES`,"
            " `MAX_TEXT_BYTES_PER_CALL` and the limits of request bodies.",
            "",
            "| concurrent batches | comparisons | seconds | CJ Assessment: before | peak "
            "| LLM Provider: before | peak |",
            "|--:|--:|--:|--:|--:|--:|--:|",
            *rows,
            "<!-- memory: end -->",
        ]
    )


def main() -> None:
    """Measure both loads, write the section of the page, and print; the last line has the figures."""
    with tempfile.TemporaryDirectory(prefix="cj-memory-") as folder:
        loads = [asyncio.run(measure(Path(folder), batches=batches)) for batches in (1, BATCHES)]
    write_section(section(loads))
    for load in loads:
        print(load)
    peak = {who: max(load.peak[who] for load in loads) for who in loads[0].peak}
    print(" ".join(f"{who.lower().replace(' ', '_')}_peak_mb={value:.0f}" for who, value in peak.items()))


if __name__ == "__main__":
    main()
