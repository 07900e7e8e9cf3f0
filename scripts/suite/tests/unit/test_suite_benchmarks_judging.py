"""The judging benchmark: what its last line and its section of the page say."""

from suite.benchmarks.judging import Measured, section

MEASURED = Measured(
    graded={3.0: 5.18, 1.5: 14.2},
    winner={3.0: 10.5, 1.5: 22.62},
    coin_flip_eb=0.0411,
    worthless_chosen=0.004,
)
LINE = "graded_sd3=5.2 graded_sd15=14.2 winner_sd3=10.5 winner_sd15=22.6 coinflip_eb=0.041 worthless_chosen=0.004"


def test_the_last_line_has_every_figure() -> None:
    assert MEASURED.line == LINE


def test_the_page_has_the_line_and_what_margins_save() -> None:
    written = section(MEASURED, seeds=40)

    assert f"`{LINE}`" in written
    assert "| SD 3 | 10.5 | 5.2 | 2.0 |" in written
    assert "| SD 1.5 | 22.6 | 14.2 | 1.6 |" in written
