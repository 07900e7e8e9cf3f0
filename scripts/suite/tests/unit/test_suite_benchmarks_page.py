"""What pages say around the figures of benchmarks is what the benchmarks would write there today."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from suite.benchmarks import conductor, judging, measurement, memory, pairing_policies, pipeline, storage
from suite.benchmarks.page import PAGE
from suite.benchmarks.provider import __main__ as provider
from suite.soak import __main__ as soak
from suite.soak.growth import Growth
from suite.soak.load import Load
from suite.soak.running import Soak

ROOT: Final = Path(__file__).parents[4]
NUMBER: Final = re.compile(r"[+-]?\d[\d.,]*(e[+-]?\d+)?%?")
MACHINE: Final = re.compile(r"\(\w+, Python")
SERVICES: Final = ("CJ Assessment", "LLM Provider")


def judged(*, seeds: int = judging.SEEDS) -> str:
    measured = judging.Measured(
        graded={3.0: 5.0, 1.5: 14.0}, winner={3.0: 10.0, 1.5: 22.0}, coin_flip_eb=0.0, worthless_chosen=0.0
    )
    return judging.section(measured, seeds=seeds)


def remembered() -> str:
    megabytes = dict.fromkeys(SERVICES, 100.0)
    return memory.section([memory.Load(batches=1, judged=1, seconds=1, before=megabytes, peak=megabytes)])


def passed_through() -> str:
    traffic = pipeline.Traffic(messages=1, message_bytes=1, rows=1)
    return pipeline.section(
        pipeline.Throughput(services=1, baseline=1, traffic=traffic, processor_seconds={"Kafka": 1})
    )


def stored() -> str:
    databases = {name: storage.Stored(rows=1, bytes=1) for name in SERVICES}
    return storage.section(
        storage.Storage(comparisons=1, essay_bytes=1, databases=databases, messages=1, message_bytes=1)
    )


def defined() -> str:
    timing = conductor.Timing(calls=[0.1] * 100, seconds=1)
    return conductor.section(timing, timing, "define_per_second=1 healthz_per_second=1 ratio=1.0")


def soaked() -> str:
    load = Load(assessment="", provider="", conductor="", kafka="", prefix="", seconds=1800)
    grown = Growth(
        service="cj_assessment",
        warm_megabytes=100,
        megabytes=1,
        files=0,
        threads=0,
        tasks=0,
        connections=0,
    )
    return soak.section(Soak(seconds=1800, load=load, services=(grown,), lost=0, idle_core=0))


SECTIONS: Final[Mapping[str, str]] = {
    "measurement": measurement.section({}, measurement.Round(refit=1, covariance=1, resamples=1)),
    "provider": provider.section([], []),
    "pipeline": passed_through(),
    "memory": remembered(),
    "conductor": defined(),
    "storage": stored(),
    "judging": judged(),
    "soak": soaked(),
}


def words(text: str) -> list[str]:
    """The lines without figures: those of a table below its header are left out."""
    lines = text.splitlines()
    kept = (
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if not line.startswith("|") or "--" in line or "--" in following
    )
    return [NUMBER.sub("#", MACHINE.sub("(#, Python", line)) for line in kept if line]


def page(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_every_section_of_the_page_is_one_that_a_benchmark_writes() -> None:
    written = re.findall(r"<!-- (\w+): written by make", page(PAGE))

    assert sorted(written) == sorted(SECTIONS)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_says_what_its_benchmark_would_write_today(name: str) -> None:
    on_page = page(PAGE).partition(f"<!-- {name}: written by")[2].partition(f"<!-- {name}: end")[0]

    shown = words(f"<!-- {name}: written by{on_page}<!-- {name}: end -->")
    assert [line for line in words(SECTIONS[name]) if line not in shown] == []


def test_figures_of_simulated_batches_are_of_as_many_as_the_command_simulates() -> None:
    (sentence,) = (line for line in judged().splitlines() if line.startswith("`make bench-judging`"))

    assert sentence in page(PAGE)
    for name, swedish in pairing_policies.PAGES.items():
        explained = page(pairing_policies.EXPLANATION / name)
        assert pairing_policies.remark(pairing_policies.SEEDS, swedish=swedish) in explained
