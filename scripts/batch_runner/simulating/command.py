"""cj-run simulate: what pairing policies reach with a judge of known sharpness, and what a target takes."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cj_measurement import Design, Policy, Reading, Says, SimulatedJudge, simulate
from model_manifest import get_model
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from batch_runner.analysing.analysis import measuring
from batch_runner.planning.forecast import Effort, effort
from batch_runner.planning.judges import resolve_judge
from batch_runner.planning.pair_cost import PairCost, PromptSize, pair_cost
from batch_runner.simulating.findings import MediansView, PowerView, Simulation
from batch_runner.simulating.screen import print_simulation

DEFAULT_COMPARISONS: Final = 10
FIRST_READING: Final = 4
READINGS: Final = 8
BEYOND_TARGET: Final = 1.25
"""A power curve ends at this multiple of what the target takes."""
MAX_CURVE: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationOptions:
    """What is simulated, and how it is reported."""

    essays: int
    sd: float
    position_bias: float = 0.0
    noise: float = 0.0
    says: Says = Says.NOTHING
    policies: Sequence[Policy] = (Policy.INFORMATION, Policy.RANDOM)
    seeds: int = 20
    comparisons_per_essay: int | None = None
    target_reliability: float | None = None
    provider: str | None = None
    model: str | None = None
    words: int = 300
    as_json: bool = False
    plots: Path | None = None
    plot_format: Literal["svg", "png"] = "svg"


def simulate_and_report(options: SimulationOptions, *, console: Console, progress_console: Console) -> None:
    """Simulate and print; with ``as_json`` nothing but one JSON document goes to ``console``."""
    with measuring():
        found = run_simulation(options, progress_console=progress_console)
    written = _draw(found, options)
    if options.as_json:
        print(found.model_dump_json(indent=2))
        return
    print_simulation(found, console=console)
    for path in written:
        console.out(str(path), highlight=False)


def run_simulation(options: SimulationOptions, *, progress_console: Console) -> Simulation:
    """Simulate every policy; raises ``MeasurementError`` and ``InvalidLlmConfig``."""
    judge = SimulatedJudge(
        sd=options.sd, position_bias=options.position_bias, noise=options.noise, says=options.says
    )
    name, price = _priced_judge(options)
    power: dict[str, PowerView] = {}
    curves: dict[str, tuple[MediansView, ...]] = {}
    for policy in _with_progress(options.policies, console=progress_console):
        design = Design(essays=options.essays, policy=policy)
        reached = _effort(design, judge, options, price)
        if reached is not None:
            power[policy] = PowerView.of(reached)
        wanted = _readings(options, reached)
        if wanted:
            simulated = simulate(design, judge, comparisons_per_essay=wanted, seeds=options.seeds)
            curves[policy] = tuple(_medians(each.median) for each in simulated)
    return Simulation(
        essays=options.essays,
        sd=options.sd,
        position_bias=options.position_bias,
        noise=options.noise,
        says=options.says,
        seeds=options.seeds,
        target_reliability=options.target_reliability,
        judge=name,
        policies={policy: curve[-1] for policy, curve in curves.items()},
        curves=curves,
        power=power,
    )


def _priced_judge(options: SimulationOptions) -> tuple[str | None, PairCost | None]:
    if options.provider is None and options.model is None:
        return None, None
    resolved = resolve_judge(options.provider, options.model)
    model = get_model(resolved.provider, resolved.model)
    return model.full_name, pair_cost(model, PromptSize.of_words(options.words))


def _with_progress(policies: Iterable[Policy], *, console: Console) -> Iterator[Policy]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    wanted = list(policies)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("simulating", total=len(wanted))
        for policy in wanted:
            progress.update(task, description=f"simulating {policy}")
            yield policy
            progress.advance(task)


def _effort(
    design: Design, judge: SimulatedJudge, options: SimulationOptions, price: PairCost | None
) -> Effort | None:
    target = options.target_reliability
    if target is None:
        return None
    return effort(design, judge, target_reliability=target, price=price, seeds=options.seeds)


def _readings(options: SimulationOptions, reached: Effort | None) -> list[int]:
    """The numbers of comparisons per essay to look at; none if only the target was asked for."""
    last = options.comparisons_per_essay
    if last is None and reached is None:
        last = DEFAULT_COMPARISONS
    if last is None and reached is not None and options.plots is not None:
        needed = reached.power.comparisons_per_essay
        last = MAX_CURVE if needed is None else math.ceil(BEYOND_TARGET * needed)
    if last is None:
        return []
    step = max(1, math.ceil(last / READINGS))
    return sorted({*range(min(FIRST_READING, last), last, step), last})


def _medians(reading: Reading) -> MediansView:
    return MediansView(
        comparisons_per_essay=reading.comparisons_per_essay,
        eb_reliability=reading.eb_reliability,
        ssr=reading.ssr,
        true_r2=reading.true_r2,
        spearman=reading.spearman,
        coverage=reading.coverage,
    )


def _draw(found: Simulation, options: SimulationOptions) -> list[Path]:
    if options.plots is None or not found.curves:
        return []
    # Imported here: matplotlib takes a second, and most simulations draw nothing.
    from batch_runner.simulating.drawing import draw_simulation

    return draw_simulation(found, folder=options.plots, plot_format=options.plot_format)
