"""Growth in a soak: a leak is seen, a busy moment and a cold start are not."""

import pytest
from suite.soak.growth import Bounds, Sample, growth

SECONDS = 100.0
STEADY = Bounds(megabytes=10)


def sample(
    at: int, *, megabytes: float = 200, files: int = 30, tasks: int = 60, connections: int = 5
) -> Sample:
    return Sample(at=at, megabytes=megabytes, files=files, threads=8, tasks=tasks, connections=connections)


def test_what_stays_level_breaks_no_bound() -> None:
    grown = growth("a", [sample(at) for at in range(100)], seconds=SECONDS)

    assert grown.exceeded(STEADY) == []
    assert (grown.warm_megabytes, grown.memory_share, grown.files, grown.tasks) == (200, 0, 0, 0)


def test_what_grows_while_a_service_warms_up_does_not_count() -> None:
    samples = [sample(at, megabytes=min(200, 100 + 5 * at), files=min(30, at + 10)) for at in range(100)]

    assert growth("a", samples, seconds=SECONDS).exceeded(STEADY) == []


def test_a_busy_moment_at_the_end_does_not_count() -> None:
    samples = [sample(at, files=90 if at == 97 else 30, tasks=300 if at > 95 else 60) for at in range(100)]

    assert growth("a", samples, seconds=SECONDS).exceeded(STEADY) == []


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([sample(at, files=30 + at // 5) for at in range(100)], "a: open files +12, at most +4 allowed"),
        ([sample(at, tasks=60 + at) for at in range(100)], "a: tasks +64, at most +12 allowed"),
        (
            [sample(at, connections=5 + at // 15) for at in range(100)],
            "a: connections +4, at most +2 allowed",
        ),
        ([sample(at, megabytes=200 + at / 5) for at in range(100)], "a: memory +12.8 MB (+6.2%) on 206 MB"),
    ],
)
def test_what_leaks_is_said_with_its_bound(samples: list[Sample], said: str) -> None:
    assert growth("a", samples, seconds=SECONDS).exceeded(STEADY) == [said]


def test_memory_is_held_to_its_share_however_few_megabytes_it_is() -> None:
    grown = growth("a", [sample(at, megabytes=40 + at / 25) for at in range(100)], seconds=SECONDS)

    assert grown.exceeded(Bounds(megabytes=10, memory_share=None)) == []
    assert grown.exceeded(Bounds(memory_share=0.05)) == ["a: memory +2.6 MB (+6.2%) on 41 MB"]


def test_too_few_samples_give_no_answer() -> None:
    with pytest.raises(ValueError, match="too few"):
        growth("a", [sample(at) for at in range(0, 100, 20)], seconds=SECONDS)
