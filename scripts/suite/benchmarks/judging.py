"""How many comparisons an essay needs when judges say by how much, and whether worthless statements are kept out.

Simulated batches of 100 essays, paired as the service pairs them. What is counted are comparisons per essay until the
median of r² with the truth is .90; seeds are other ones than those of the tests.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from cj_measurement import Courses, Design, Policy, Says, SimulatedJudge, courses
from rich.console import Console
from threadpoolctl import threadpool_limits

from suite.benchmarks.page import write_section

ESSAYS: Final = 100
SEEDS: Final = 24
FIRST_SEED: Final = 10_000
TARGET: Final = 0.90
POSITION_BIAS: Final = 0.3
GRADED_AT: Final[Mapping[float, Sequence[float]]] = {3.0: (4, 5, 6), 1.5: (8, 13, 14, 15, 16)}
WINNER_AT: Final[Mapping[float, Sequence[float]]] = {3.0: (9, 10, 11, 12), 1.5: (21, 22, 23, 24, 25)}
LABELS: Final = {3.0: "sd3", 1.5: "sd15"}
WORTHLESS: Final = (Says.RANDOM_CONFIDENCE, Says.HIGH_CONFIDENCE, Says.LOG_ODDS_OF_SIGN)
WORTHLESS_AT: Final = (4, 5, 6, 8, 10)
COIN_AT: Final = 10
COIN_SAYS: Final = (Says.NOTHING, Says.MARGIN, Says.LOG_ODDS, Says.RANDOM_CONFIDENCE)
COIN_POLICIES: Final = (Policy.INFORMATION, Policy.RANDOM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Comparisons per essay by the judge's SD; the highest median EB of coin flips; the share of fits deceived."""

    graded: Mapping[float, float]
    winner: Mapping[float, float]
    coin_flip_eb: float
    worthless_chosen: float

    @property
    def line(self) -> str:
        """All figures in one line."""
        figures = {f"graded_{LABELS[sd]}": f"{needed:.1f}" for sd, needed in self.graded.items()}
        figures |= {f"winner_{LABELS[sd]}": f"{needed:.1f}" for sd, needed in self.winner.items()}
        figures["coinflip_eb"] = f"{self.coin_flip_eb:.3f}"
        figures["worthless_chosen"] = f"{self.worthless_chosen:.3f}"
        return " ".join(f"{name}={figure}" for name, figure in figures.items())


class Bench:
    """Runs batches, and tells on the console how far it is."""

    def __init__(self, console: Console, seeds: int) -> None:
        self.console, self.seeds = console, range(FIRST_SEED, FIRST_SEED + seeds)

    def measure(self) -> Measured:
        """All figures; about 20 minutes of one core for 40 seeds."""
        return Measured(
            graded={sd: self._needed(sd, Says.MARGIN, at) for sd, at in GRADED_AT.items()},
            winner={sd: self._needed(sd, Says.NOTHING, at) for sd, at in WINNER_AT.items()},
            coin_flip_eb=self._coin_flips(),
            worthless_chosen=self._worthless(),
        )

    def _needed(self, sd: float, says: Says, at: Sequence[float]) -> float:
        found = self._courses(sd, says, at)
        needed = found.needed(found.true_r2, TARGET)
        by_eb = found.needed(found.eb_reliability, TARGET)
        beyond = np.mean(found.eb_reliability - found.true_r2, axis=0)
        self.console.print(
            f"  r2 {TARGET} at {needed:.1f}, EB {TARGET} at {by_eb:.1f}, mean EB - r2 {beyond.round(3)}"
        )
        return needed

    def _coin_flips(self) -> float:
        medians = []
        for policy in COIN_POLICIES:
            for says in COIN_SAYS:
                found = self._courses(0.0, says, (COIN_AT,), policy=policy)
                medians.append(float(np.median(found.eb_reliability)))
                self.console.print(f"  median EB {medians[-1]:.3f}")
        return max(medians)

    def _worthless(self) -> float:
        chosen = []
        for sd in LABELS:
            for says in WORTHLESS:
                found = self._courses(sd, says, WORTHLESS_AT)
                chosen.append(float(found.is_graded.mean()))
                self.console.print(
                    f"  used in {chosen[-1]:.1%} of fits, highest lead {np.nanmax(found.lead):.1f} nats"
                )
        return float(np.mean(chosen))

    def _courses(
        self, sd: float, says: Says, at: Sequence[float], *, policy: Policy = Policy.INFORMATION
    ) -> Courses:
        name = f"SD {sd}, says {says}, {policy} pairs"
        self.console.print(f"judging: {name}")

        def report_progress(done: int) -> None:
            if done % 10 == 0:
                self.console.print(f"  {done} of {len(self.seeds)} batches")

        return courses(
            Design(essays=ESSAYS, policy=policy),
            SimulatedJudge(sd=sd, position_bias=POSITION_BIAS, says=says),
            comparisons_per_essay=at,
            seeds=self.seeds,
            report_progress=report_progress,
        )


def section(measured: Measured, *, seeds: int) -> str:
    """The figures as a section of the page of benchmarks."""
    rows = [
        f"| SD {sd:g} | {measured.winner[sd]:.1f} | {needed:.1f} | {measured.winner[sd] / needed:.1f} |"
        for sd, needed in measured.graded.items()
    ]
    return "\n".join(
        [
            "<!-- judging: written by make bench-judging -->",
            "## Graded verdicts",
            "",
            f"`make bench-judging`: comparisons per essay until the median of r² with the truth is {TARGET:.2f}, in"
            f" {seeds} simulated batches of {ESSAYS} essays per judge, paired as the service pairs them.",
            "",
            "| judge | winner only | three margins | times fewer |",
            "|---|--:|--:|--:|",
            *rows,
            "",
            f"On coin flips the highest median EB under every statement and policy is {measured.coin_flip_eb:.3f}."
            f" Statements that tell nothing (random or high confidence, log-odds of which only the sign counts) were"
            f" used in {measured.worthless_chosen:.1%} of the fits.",
            "",
            f"`{measured.line}`",
            "<!-- judging: end -->",
        ]
    )


def main() -> None:
    """Print the figures as the last line of standard output, progress on standard error.

    They are written into the page where they are of as many batches as the page's, else only printed.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="batches per judge (default: %(default)s)")
    arguments = parser.parse_args()
    with threadpool_limits(limits=1):
        measured = Bench(Console(file=sys.stderr, highlight=False), arguments.seeds).measure()
    text = section(measured, seeds=arguments.seeds)
    if arguments.seeds == SEEDS:
        write_section(text)
    else:
        print(text)
    print(measured.line)


if __name__ == "__main__":
    main()
