"""Time and accuracy of the fit, compared with choix, evalica and scikit-learn: same comparisons, same prior, one run.

Every solver gets the comparisons in the form it likes best, made in advance. Each peer is asked for ever smaller
tolerances until its gradient is below the limit of our own fit, or gets no smaller; what it then took is its time.
What it takes at its default tolerance, less exact, is shown next to it. The peer that our ratio is taken to is the
fastest whose gradient came below the limit: a result that is as exact. The fastest that came near is named too.
"""

import platform
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from cj_measurement import Comparisons, Fit, bootstrap, fit
from rich.console import Console
from rich.table import Column, Table
from scipy.sparse import csr_matrix
from scipy.special import expit
from threadpoolctl import threadpool_limits

from suite.benchmarks.page import write_section

FloatArray = npt.NDArray[np.float64]

SIZES = (30, 300, 3_000, 30_000)
COMPARISONS_PER_ESSAY = 10
SPREAD = 1.5
"""SD of the true abilities in logits, and τ of everybody's prior."""
GRADIENT_LIMIT = 1e-8
NEAR = 1e-6
"""A peer whose abilities are this near to ours, in logits, solved the same problem."""
TOLERANCES = (1e-6, 1e-8, 1e-10, 1e-12, 1e-14)
DENSE_PEERS_UP_TO = 3_000
"""Beyond, a peer that keeps an n × n matrix needs 7 GB."""
SECONDS_PER_SOLVER = 2.0
REPEATS = (3, 100)
SEED = 2_025
WIDTH = 110
"""Columns of the screen that the table needs."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Random cycles through ``n`` essays, judged by a person-like judge without a preference for a slot."""

    n: int
    slot_a: npt.NDArray[np.int64]
    slot_b: npt.NDArray[np.int64]
    a_won: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, n: int, comparisons_an_essay: int = COMPARISONS_PER_ESSAY) -> "Problem":
        """The same problem every time."""
        generator = np.random.default_rng(SEED)
        truth = generator.normal(0, SPREAD, n)
        cycles = [generator.permutation(n) for _ in range(comparisons_an_essay // 2)]
        slot_a = np.concatenate(cycles)
        slot_b = np.concatenate([np.roll(cycle, 1) for cycle in cycles])
        return cls(n, slot_a, slot_b, generator.random(len(slot_a)) < expit(truth[slot_a] - truth[slot_b]))

    def comparisons(self) -> Comparisons:
        """In our form: checked, and sorted by essay, which is what scikit-learn's design matrix is too."""
        comparisons = Comparisons.of(self.n, self.slot_a, self.slot_b, self.a_won)
        _ = comparisons.links
        return comparisons

    def gradient(self, theta: FloatArray) -> float:
        """Largest component of the gradient of the log posterior: 0 at the solution."""
        residual = self.a_won - expit(theta[self.slot_a] - theta[self.slot_b])
        pull = np.bincount(self.slot_a, residual, self.n) - np.bincount(self.slot_b, residual, self.n)
        return float(np.abs(pull - theta / SPREAD**2).max())


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What one solver needed: milliseconds of the quickest of ``runs``, and how exact it was (NaN: another τ)."""

    solver: str
    tolerance: str
    milliseconds: float
    runs: int
    gradient: float
    distance: float

    @property
    def is_exact(self) -> bool:
        """As exact as our own fit promises to be."""
        return self.gradient < GRADIENT_LIMIT

    @property
    def is_near(self) -> bool:
        """Near enough to have solved the same problem."""
        return self.distance < NEAR


Solver = Callable[..., FloatArray]
"""Abilities (n,), to the peer's own ``tolerance`` or to the one given."""


def timed(
    run: Callable[[], FloatArray], *, prepare: Callable[[], None] | None = None
) -> tuple[FloatArray, float, int]:
    """The result, the quickest of several runs in milliseconds, and how many there were; ``prepare`` takes no time.

    Processor time on one thread: what a run takes on a core of its own, whatever else the machine is doing.
    """
    seconds: list[float] = []
    while len(seconds) < REPEATS[0] or (sum(seconds) < SECONDS_PER_SOLVER and len(seconds) < REPEATS[1]):
        if prepare is not None:
            prepare()
        started = time.process_time()
        theta = run()
        seconds.append(time.process_time() - started)
        if seconds[0] > 2 * SECONDS_PER_SOLVER:
            break
    return theta, 1_000 * min(seconds), len(seconds)


def ours(problem: Problem, *, tau: float | None) -> tuple[Fit, Timing]:
    """Our fit, each run from comparisons about which nothing is known yet."""
    fresh, result = [problem.comparisons()], [fit(problem.comparisons(), tau=tau, position_effects="none")]

    def prepare() -> None:
        fresh[0] = problem.comparisons()

    def run() -> FloatArray:
        result[0] = fit(fresh[0], tau=tau, position_effects="none")
        return result[0].theta

    theta, milliseconds, runs = timed(run, prepare=prepare)
    name = "cj_measurement" if tau is not None else "cj_measurement, τ estimated"
    gradient = problem.gradient(theta) if tau is not None else float("nan")
    return result[0], Timing(
        solver=name,
        tolerance=f"{GRADIENT_LIMIT:.0e}",
        milliseconds=milliseconds,
        runs=runs,
        gradient=gradient,
        distance=0.0,
    )


def peers(problem: Problem) -> Iterator[tuple[str, Solver]]:
    """The peers that can solve a problem of this size."""
    for solver in ("lbfgs", "newton-cg", "liblinear"):
        yield f"scikit-learn {solver}", _scikit_learn(problem, solver)
    if problem.n <= DENSE_PEERS_UP_TO:
        yield "choix opt_pairwise", _choix(problem)
        yield "evalica bradley_terry", _evalica(problem)


def _scikit_learn(problem: Problem, solver: str) -> Solver:
    # Imported here, as the other peers are: the page's tests load this module, and need none of them.
    from sklearn.linear_model import (  # type: ignore[import-untyped]  # it publishes no types
        LogisticRegression,
    )

    m = len(problem.slot_a)
    ends = np.stack([problem.slot_a, problem.slot_b], axis=1).reshape(-1).astype(np.int32)
    rows = (2 * np.arange(m + 1)).astype(np.int32)
    design = csr_matrix((np.tile([1.0, -1.0], m), ends, rows), shape=(m, problem.n))

    def solve(tolerance: float = 1e-4) -> FloatArray:
        model = LogisticRegression(
            C=SPREAD**2, fit_intercept=False, solver=solver, tol=tolerance, max_iter=10_000
        )
        return np.asarray(model.fit(design, problem.a_won).coef_[0], dtype=np.float64)

    return solve


def _choix(problem: Problem) -> Solver:
    import choix

    winners = np.where(problem.a_won, problem.slot_a, problem.slot_b).tolist()
    losers = np.where(problem.a_won, problem.slot_b, problem.slot_a).tolist()
    pairs = list(zip(winners, losers, strict=True))

    def solve(tolerance: float = 1e-5) -> FloatArray:
        # Its penalty is alpha·|θ|², without a half.
        return np.asarray(choix.opt_pairwise(problem.n, pairs, alpha=0.5 / SPREAD**2, tol=tolerance))

    return solve


def _evalica(problem: Problem) -> Solver:
    """No Gaussian prior: a win and a loss against an essay of ability 0, weighted to the same curvature there."""
    import evalica

    everyone = np.arange(problem.n)
    opponent = np.full(problem.n, problem.n)
    xs = np.concatenate([problem.slot_a, everyone, everyone]).tolist()
    ys = np.concatenate([problem.slot_b, opponent, opponent]).tolist()
    won = np.concatenate([problem.a_won, np.ones(problem.n, np.bool_), np.zeros(problem.n, np.bool_)])
    winners = [evalica.Winner.X if x else evalica.Winner.Y for x in won]
    weights = np.concatenate([np.ones(len(problem.slot_a)), np.full(2 * problem.n, 2 / SPREAD**2)]).tolist()

    def solve(tolerance: float = 1e-6) -> FloatArray:
        result = evalica.bradley_terry(xs, ys, winners, weights=weights, tolerance=tolerance, limit=100_000)
        scores = np.log(result.scores.sort_index().to_numpy())
        return np.asarray((scores - scores[-1])[:-1], dtype=np.float64)

    return solve


def of_peer(name: str, solve: Solver, problem: Problem, theta: FloatArray) -> Iterator[Timing]:
    """Time a peer at its default tolerance, then at the one at which it is as exact as we are, or as it can be."""
    for tolerance, run in (("default", solve), *_exact(name, solve, problem)):
        found, milliseconds, runs = timed(run)
        yield Timing(
            solver=name,
            tolerance=tolerance,
            milliseconds=milliseconds,
            runs=runs,
            gradient=problem.gradient(found),
            distance=float(np.abs(found - found.mean() - theta).max()),
        )


def _exact(name: str, solve: Solver, problem: Problem) -> Iterator[tuple[str, Callable[[], FloatArray]]]:
    """The loosest tolerance with a gradient below our limit, or else the last one that still reduced it.

    None for evalica, whose solution is another one.
    """
    if name.startswith("evalica"):
        return
    chosen, gradient = TOLERANCES[0], problem.gradient(solve(TOLERANCES[0]))
    for tighter in TOLERANCES[1:]:
        if gradient < GRADIENT_LIMIT:
            break
        reached = problem.gradient(solve(tighter))
        if reached > gradient / 2:
            break
        chosen, gradient = tighter, reached
    yield f"{chosen:.0e}", lambda: solve(chosen)


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a service does after each round of a batch of 1,000 essays, in milliseconds."""

    refit: float
    covariance: float
    resamples: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.refit + self.covariance + self.resamples


def after_a_round(n: int = 1_000, resamples: int = 200) -> Round:
    """Refit with a twentieth more comparisons (τ and position effect estimated), covariance, bootstrap: best of 3."""
    return min((_round(n, resamples) for _ in range(3)), key=lambda one: one.total)


def _round(n: int, resamples: int) -> Round:
    whole = Problem.of(n).comparisons()
    before = fit(whole.where(np.arange(len(whole) * 20 // 21)))
    marks = [time.process_time()]
    refitted = fit(whole, start=before)
    marks.append(time.process_time())
    _ = refitted.covariance
    marks.append(time.process_time())
    bootstrap(refitted, seed=SEED, resamples=resamples)
    marks.append(time.process_time())
    refit, covariance, sampled = (1_000 * (late - early) for early, late in pairwise(marks))
    return Round(refit=refit, covariance=covariance, resamples=sampled)


def measure(sizes: Sequence[int] = SIZES) -> dict[int, list[Timing]]:
    """All timings by size: ours first, the peers behind it, our fit with τ estimated last."""
    timings: dict[int, list[Timing]] = {}
    for n in sizes:
        problem = Problem.of(n)
        fitted, own = ours(problem, tau=SPREAD)
        others = [
            timing for name, solve in peers(problem) for timing in of_peer(name, solve, problem, fitted.theta)
        ]
        timings[n] = [own, *others, ours(problem, tau=None)[1]]
    return timings


def best_peer(timings: Sequence[Timing]) -> Timing | None:
    """The fastest peer that is as exact as our fit."""
    exact = [timing for timing in timings[1:-1] if timing.is_exact]
    return min(exact, key=lambda timing: timing.milliseconds, default=None)


def nearest_peer(timings: Sequence[Timing]) -> Timing | None:
    """The fastest peer that solved the same problem, exactly or not quite."""
    near = [timing for timing in timings[1:-1] if timing.is_near]
    return min(near, key=lambda timing: timing.milliseconds, default=None)


def rows(timings: dict[int, list[Timing]]) -> Iterator[tuple[str, ...]]:
    """The table, cell by cell."""
    for n, of_size in timings.items():
        own = of_size[0].milliseconds
        for timing in of_size:
            yield (
                f"{n:,}",
                timing.solver,
                timing.tolerance,
                f"{timing.milliseconds:,.2f}",
                f"{timing.milliseconds / own:,.1f}",
                "" if np.isnan(timing.gradient) else f"{timing.gradient:.0e}",
                "" if np.isnan(timing.gradient) else f"{timing.distance:.0e}",
                str(timing.runs),
            )


COLUMNS = ("essays", "solver", "tolerance", "ms", "× ours", "max gradient", "max |Δθ|", "runs")
START, END = "<!-- measurement: written by make bench-measurement -->", "<!-- measurement: end -->"


def section(timings: dict[int, list[Timing]], a_round: Round) -> str:
    """The page's section on the measurement, between its marks."""
    machine = f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}"
    lines = [
        START,
        "## Measurement",
        "",
        f"`make bench-measurement`: random cycles, {COMPARISONS_PER_ESSAY} comparisons per essay, true SD and each"
        f" solver's prior SD {SPREAD}, no position effect. Milliseconds are processor time of the quickest of several"
        f" runs from scratch, one thread each ({machine}, scikit-learn {version('scikit-learn')}); each solver gets"
        " its own"
        " form of input, made in advance: ours are sorted by essay, like the design matrix of scikit-learn."
        " Ours includes the check that all essays are linked, and ends when no component of the gradient is above 1e-8;"
        " a peer is shown at its"
        " default tolerance, and at the loosest of 1e-6 to 1e-14 at which its gradient is as small as ours, or else"
        " gets no smaller. evalica has no Gaussian prior, and gets a pseudo-opponent of the same weight: its"
        " solution is another one. choix and evalica keep an essays × essays matrix, so they stop at 3,000. The rows"
        " with τ estimated do more than the peers: eight fits with their evidence. Standard errors are in no row.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
        *("| " + " | ".join(row) + " |" for row in rows(timings)),
        "",
        *(f"{text}\n" for text in verdicts(timings)),
        f"1,000 essays after a round: refit with τ and the position effect {a_round.refit:.0f} ms, full covariance"
        f" {a_round.covariance:.0f} ms, 200 bootstrap resamples {a_round.resamples:.0f} ms.",
        END,
    ]
    return "\n".join(lines)


def verdicts(timings: dict[int, list[Timing]]) -> Iterator[str]:
    """How many times as long the best peers took at 3,000 essays, in a sentence."""
    if 3_000 not in timings:
        return
    own, exact, near = timings[3_000][0], best_peer(timings[3_000]), nearest_peer(timings[3_000])
    for peer, what in ((exact, "as exact as ours"), (near, f"within {NEAR:.0e} logits of ours")):
        if peer is not None:
            yield (
                f"At 3,000 essays the quickest peer {what} is {peer.solver} (tolerance {peer.tolerance}, gradient"
                f" {peer.gradient:.0e}): {peer.milliseconds / own.milliseconds:.1f} times as long. The goal was ten."
            )


def last_line(timings: dict[int, list[Timing]]) -> str:
    """The figures that are held against the goals."""
    own, peer = timings[3_000][0].milliseconds, best_peer(timings[3_000])
    best = "none" if peer is None else f"{peer.solver.replace(' ', '-')}:{peer.milliseconds:.2f}"
    ratio = "nan" if peer is None else f"{peer.milliseconds / own:.1f}"
    return f"fit_3000_ms={own:.2f} best_peer={best} ratio={ratio} fit_30000_ms={timings[30_000][0].milliseconds:.1f}"


def main() -> None:
    """Measure, show the table, write it to the page, print the figures."""
    warnings.filterwarnings("ignore", module=r"(sklearn|scipy|choix|evalica)\..*")
    with threadpool_limits(1):
        timings, a_round = measure(), after_a_round()
    table = Table(
        *(Column(name, no_wrap=True) for name in COLUMNS), title="the fit compared with its peers", box=None
    )
    for row in rows(timings):
        table.add_row(*row)
    Console(width=max(Console().width, WIDTH)).print(table)
    write_section(section(timings, a_round))
    print(f"refit+covariance+200_resamples_1000_ms={a_round.total:.0f}")
    for text in verdicts(timings):
        print(text)
    print(last_line(timings))


if __name__ == "__main__":
    main()
