"""What decisions show: scores, reliability, fit, judges, and warnings."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
from cj_measurement import (
    ClassicalFit,
    Comparisons,
    Fit,
    MeasurementError,
    NotConverged,
    PositionBias,
    Reliability,
    SplitHalf,
    analyse_panel,
    circular_triads,
    close_calls,
    fit,
    fit_classical,
    graph_shape,
    item_fit,
    judge_fit,
    losses,
    split_half,
    swap_consistency,
)
from event_contracts import InvalidRequest, ProcessingError

from batch_runner.analysing.findings import (
    AgreementView,
    Analysis,
    ClassicalItem,
    ClassicalView,
    GraphView,
    JudgeView,
    ModelItem,
    ModelView,
    PanelJudgeView,
    PanelView,
    PositionBiasView,
)
from batch_runner.decisions.from_file import Decisions
from batch_runner.intervals import RESAMPLING_SEED

"""Seed of the random halves: the same file gives the same figures."""
REFERENCE_TAUS: Final = tuple(np.sqrt(np.geomspace(0.01, 60, 22)))
"""The grid of the reference: EB moves by up to .02 between its values, so that other values of τ would not agree."""
LEVEL: Final = 0.9
MIN_DECISIONS_TO_WARN: Final = 10
"""From this many decisions on it is a warning that the first item won all of them."""
NAMES_SHOWN: Final = 5


def analyse(decisions: Decisions, *, require_connected: bool = False, panel: bool = False) -> Analysis:
    """Fit the decisions and compute every finding; with ``panel`` also the judges against each other.

    Items that fall into parts that were never compared with each other are a red flag, or ``InvalidRequest`` where
    one part is required. Raises ``ProcessingError`` where no fit is found.
    """
    parts = _about_parts(decisions)
    if parts is not None and require_connected:
        raise InvalidRequest(f"{parts}. Judge pairs that link them")
    with measuring():
        return _Fitted(decisions).analysis(panel=_panel(decisions) if panel else None)


@contextmanager
def measuring() -> Iterator[None]:
    """Translate what the measurement cannot compute into an error of the suite."""
    try:
        yield
    except NotConverged as error:
        raise ProcessingError(str(error)) from error
    except MeasurementError as error:
        raise InvalidRequest(str(error)) from error


def fit_decisions(decisions: Decisions, comparisons: Comparisons, *, start: Fit | None = None) -> Fit:
    """The model of these decisions, or of a part of them.

    Where the slots are known, as the assessment service fits them: with position effects. Else, as the reference
    figures of published sessions were found: without, τ one of ``REFERENCE_TAUS``.
    """
    if decisions.slots_known:
        return fit(comparisons, start=start, allow_disconnected=True)
    return fit(comparisons, position_effects="none", tau=REFERENCE_TAUS, start=start, allow_disconnected=True)


def _about_parts(decisions: Decisions) -> str | None:
    part = decisions.comparisons.components()
    sizes = np.bincount(part)
    if len(sizes) == 1:
        return None
    outside = [decisions.items[place] for place in np.flatnonzero(part != sizes.argmax())]
    return (
        f"the items fall into {len(sizes)} parts that were never compared with each other: ranks hold within a"
        f" part only ({sizes.max()} items in the largest; outside it {named(outside)})"
    )


def named(names: Sequence[str]) -> str:
    """The first few names, and the number of the others."""
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


class _Fitted:
    """The fits of a file's decisions, and the findings that follow from them."""

    def __init__(self, decisions: Decisions) -> None:
        self.decisions = decisions
        self.data = decisions.comparisons
        self.fit = fit_decisions(decisions, self.data)
        self.classical = _classical_fit(decisions)
        self.order: list[int] = np.argsort(-self.fit.theta, kind="stable").tolist()

    def analysis(self, *, panel: PanelView | None) -> Analysis:
        halves = split_half(self.data, seed=RESAMPLING_SEED)
        judges = tuple(self.judges())
        model = self.model()
        return Analysis(
            comparisons=self.decisions.decisions,
            judges=len(self.decisions.judges),
            self_comparisons=self.decisions.self_comparisons,
            ties=self.decisions.ties,
            halved_ties=self.decisions.halved_ties,
            without_vote=self.decisions.without_vote,
            split_half=None if halves is None else _measurable(halves.median),
            split_half_stepped_up=None if halves is None else _measurable(halves.stepped_up),
            classical=self.classical_view(),
            model=model,
            judge_table=judges,
            panel=panel,
            graph=self.graph(),
            close_calls=tuple(
                tuple(self.decisions.items[place] for place in group) for group in close_calls(self.fit)
            ),
            how_read=self.decisions.how_read,
            not_measurable=tuple(self.not_measurable(halves)),
            red_flags=tuple(self.red_flags(halves)),
            warnings=(
                *_about_file(self.decisions),
                *_about_fit(model, judges),
                *self.about_classical(),
            ),
        )

    def not_measurable(self, halves: SplitHalf | None) -> Iterator[str]:
        values = {
            "ssr": None if self.classical is None else self.classical.ssr,
            "ssr_prime": None if self.classical is None else self.classical.ssr_prime,
            "split_half": None if halves is None else halves.median,
            "split_half_stepped_up": None if halves is None else halves.stepped_up,
        }
        for name, value in values.items():
            if value is not None and _measurable(value) is None:
                yield name

    def red_flags(self, halves: SplitHalf | None) -> Iterator[str]:
        yield from self.decisions.doubts
        parts = _about_parts(self.decisions)
        if parts is not None:
            yield parts
        if self.is_inflated(halves):
            yield "SSR is more than 0.1 above EB: choosing pairs by score inflates it, do not quote it"

    def is_inflated(self, halves: SplitHalf | None) -> bool:
        if self.classical is None:
            return False
        return Reliability(
            eb=self.fit.eb_reliability,
            ssr=self.classical.ssr,
            ssr_prime=self.classical.ssr_prime,
            split_half=halves,
        ).is_inflated

    def about_classical(self) -> Iterator[str]:
        if self.classical is None:
            yield "the classical fit does not converge on these decisions: there is no SSR"

    def classical_view(self) -> ClassicalView | None:
        classical = self.classical
        if classical is None:
            return None
        return ClassicalView(
            ssr=_measurable(classical.ssr),
            ssr_prime=_measurable(classical.ssr_prime),
            items=tuple(
                ClassicalItem(
                    item=self.decisions.items[place],
                    theta=classical.theta[place],
                    se=classical.standard_errors[place],
                    infit=classical.infit[place],
                    outfit=classical.outfit[place],
                )
                for place in self.order
            ),
        )

    def model(self) -> ModelView:
        return ModelView(
            eb_reliability=self.fit.eb_reliability,
            tau=self.fit.tau,
            position_bias=self.common_position_bias(),
            items=tuple(self.items()),
        )

    def items(self) -> Iterator[ModelItem]:
        squares, errors, intervals = item_fit(self.fit), self.fit.standard_errors, self.fit.intervals(LEVEL)
        misfits, losing = squares.misfits, self.losing_answers()
        (counts, wins), part = _counts(self.data), self.data.components()
        for rank, place in enumerate(self.order, start=1):
            flags = {
                "misfit": misfits[place],
                "won all": wins[place] == counts[place],
                "won none": wins[place] == 0,
                "answers lost": losing[place],
                f"part {part[place] + 1}": part.max() > 0,
            }
            yield ModelItem(
                item=self.decisions.items[place],
                theta=self.fit.theta[place],
                se=errors[place],
                low=intervals[place, 0],
                high=intervals[place, 1],
                rank=rank,
                comparisons=_whole(counts[place]),
                wins=_whole(wins[place]),
                infit=squares.infit[place],
                outfit=squares.outfit[place],
                flags=tuple(name for name, applies in flags.items() if applies),
            )

    def losing_answers(self) -> Sequence[bool]:
        pairs = np.column_stack([self.data.slot_a, self.data.slot_b])
        lost = losses(self.data.n_items, judged=pairs, missing=self.decisions.lost_pairs)
        clustered: list[bool] = lost.clustered.tolist()
        return clustered

    def judges(self) -> Iterator[JudgeView]:
        squares, swaps = judge_fit(self.fit), swap_consistency(self.data)
        judged = np.bincount(self.data.judge, self.data.weight, self.data.n_judges)
        misfits = squares.misfits
        bias = {effect.judge: effect for effect in self.fit.position_bias}
        told = {evidence.judge: evidence.words for evidence in self.fit.levels}
        for place in np.argsort(-squares.n, kind="stable").tolist():
            effect, swap = bias.get(place), swaps[place]
            flags = {"misfit": misfits[place], "one side only": effect is not None and effect.one_sided}
            yield JudgeView(
                judge=self.decisions.judges[place],
                comparisons=_whole(judged[place]),
                infit=squares.infit[place],
                outfit=squares.outfit[place],
                position_bias=None if effect is None else _bias_view(effect),
                swapped_pairs=swap.pairs if self.decisions.slots_known else 0,
                same_winner_share=swap.same_winner_share if self.decisions.slots_known else None,
                levels=told.get(place),
                flags=tuple(name for name, applies in flags.items() if applies),
            )

    def common_position_bias(self) -> PositionBiasView | None:
        """Of the one judge, or of all judges together as if they were one."""
        if not self.decisions.slots_known:
            return None
        together = self.fit
        if self.data.n_judges > 1:
            one_judge = Comparisons.of(self.data.n_items, self.data.slot_a, self.data.slot_b, self.data.a_won)
            together = fit_decisions(self.decisions, one_judge, start=self.fit)
        return _bias_view(together.position_bias[0]) if together.position_bias else None

    def graph(self) -> GraphView:
        shape, triads = graph_shape(self.data), circular_triads(self.data)
        return GraphView(
            components=shape.components,
            win_graph_connected=shape.win_graph_connected,
            degree_min=shape.degree_min,
            degree_median=shape.degree_median,
            degree_max=shape.degree_max,
            algebraic_connectivity=shape.algebraic_connectivity,
            closed_triads=triads.closed,
            circular_share=triads.circular_share,
        )


def _measurable(reliability: float) -> float | None:
    """None below 0: such a figure says only that the scores differ less than their errors let expect."""
    return reliability if reliability >= 0 else None


def _whole(number: float) -> int | float:
    """A number without decimals as a whole one: only weights and halved ties have others."""
    return int(number) if float(number).is_integer() else float(number)


def _counts(data: Comparisons) -> tuple[np.ndarray, np.ndarray]:
    """Decisions and wins of each item, (n,) each; a tie that counts half is one decision and half a win."""
    wins = np.bincount(data.winners, data.weight, data.n_items)
    return wins + np.bincount(data.losers, data.weight, data.n_items), wins


def _panel(decisions: Decisions) -> PanelView:
    panel = analyse_panel(decisions.comparisons, allow_disconnected=True)
    return PanelView(
        judges=tuple(
            PanelJudgeView(
                judge=decisions.judges[judge.judge],
                discrimination=judge.discrimination.a,
                predicted=None if judge.left_out is None else judge.left_out.accuracy,
                log_loss=None if judge.left_out is None else judge.left_out.log_loss,
            )
            for judge in panel.judges
        ),
        agreements=tuple(
            AgreementView(
                first=decisions.judges[two.first],
                second=decisions.judges[two.second],
                pairs=two.pairs,
                agreement=two.agreement,
                kappa=two.kappa,
            )
            for two in panel.agreements
        ),
    )


def _classical_fit(decisions: Decisions) -> ClassicalFit | None:
    """None where the classical steps, those of the published figures, do not converge; the model's always do."""
    try:
        return fit_classical(
            decisions.comparisons, self_comparisons=decisions.self_compared, allow_disconnected=True
        )
    except NotConverged:
        return None


def _bias_view(effect: PositionBias) -> PositionBiasView:
    return PositionBiasView(b=effect.b, se=effect.standard_error, p_first_if_equal=effect.p_first_if_equal)


def _about_file(decisions: Decisions) -> Iterator[str]:
    yield from decisions.guesses
    if decisions.left_out_items:
        yield f"not ranked, as no decision about them can be fitted: {named(decisions.left_out_items)}"
    if not decisions.judges_known:
        yield "the file names no judges: their agreement is unknown"
    data = decisions.comparisons
    if decisions.slots_known and len(data) >= MIN_DECISIONS_TO_WARN and data.a_won.all():
        yield (
            "the first item won every decision: if the file lists winners first, say so with"
            " --columns winner=… --columns loser=…; else these decisions say nothing about the items"
        )


def _about_fit(model: ModelView, judges: Sequence[JudgeView]) -> Iterator[str]:
    one_sided = [judge.judge for judge in judges if "one side only" in judge.flags]
    if one_sided:
        yield f"always chose the same side: {named(one_sided)}"
    lost = [item.item for item in model.items if "answers lost" in item.flags]
    if lost:
        yield f"more answers are missing than chance explains for: {named(lost)}"
