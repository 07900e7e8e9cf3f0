"""The judging benchmark: what its last line says."""

from suite.benchmarks.judging import Measured


def test_the_last_line_has_every_figure() -> None:
    measured = Measured(
        graded={3.0: 5.18, 1.5: 14.2},
        winner={3.0: 10.5, 1.5: 22.62},
        coin_flip_eb=0.0411,
        worthless_chosen=0.004,
    )

    assert measured.line == (
        "graded_sd3=5.2 graded_sd15=14.2 winner_sd3=10.5 winner_sd15=22.6 coinflip_eb=0.041 worthless_chosen=0.004"
    )
