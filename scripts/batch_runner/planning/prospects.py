"""What a run would take and bring: comparisons and reliability by a judge's sharpness, dollars and minutes by model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cj_measurement import Design, Expected, Says, SimulatedJudge
from event_contracts import PanelJudge
from model_manifest import ANY_MODEL, Model, get_model, list_models

from batch_runner.planning.forecast import HUMAN_LIKE, SHARP, Effort, effort
from batch_runner.planning.judges import resolve_judge
from batch_runner.planning.pace import Pace, pace
from batch_runner.planning.pair_cost import PairCost, PromptSize, mean_cost, pair_cost

SEEDS: Final = 5
NOT_OFFERED: Final = frozenset({"mock", "replay"})
"""Judges without a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What a judge of this sharpness takes. ``comparisons`` are those until the target, or the budget where it is less.

    ``with_margins``: it says by how much, not only which essay is better. ``reliability`` is what is expected after the
    comparisons; both are None where the target is out of reach without a budget.
    """

    name: str
    sd: float
    with_margins: bool
    effort: Effort
    comparisons: int | None
    reliability: Expected | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one model, or the chosen panel, would cost and how long it would take, for each prospect by its name.

    ``batch_dollars`` are for the vendor's batch API, empty where it has none; dollars are None without a known price.
    """

    judge: str
    is_chosen: bool
    dollars: Mapping[str, Decimal | None]
    batch_dollars: Mapping[str, Decimal | None]
    minutes: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The target and the budget of a plan, and the judge that is asked for."""

    target_reliability: float
    max_comparisons: int | None = None
    max_cost_usd: Decimal | None = None
    sd: float | None = None
    provider: str | None = None
    model: str | None = None
    panel: Sequence[PanelJudge] = ()

    @property
    def sharpness(self) -> Mapping[str, float]:
        """The judges to look at: this one, where its spread is known, else a sharp and a human-like one."""
        if self.sd is not None:
            return {"this judge": self.sd}
        return {"a sharp judge": SHARP, "a human-like judge": HUMAN_LIKE}


def prospects(wanted: Wanted, *, essays: int, size: PromptSize) -> tuple[Prospect, ...]:
    """Two for each sharpness, with margins and without; raises ``MeasurementError`` and ``InvalidLlmConfig``."""
    price = chosen_price(wanted, size)
    return tuple(
        _prospect(name, SimulatedJudge(sd=sd, says=says), wanted, essays, price)
        for name, sd in wanted.sharpness.items()
        for says in (Says.MARGIN, Says.NOTHING)
    )


def _prospect(
    name: str, judge: SimulatedJudge, wanted: Wanted, essays: int, price: PairCost | None
) -> Prospect:
    design, with_margins = Design(essays=essays), judge.says is Says.MARGIN
    allowed = _budget(wanted, price)
    needed = effort(
        design, judge, target_reliability=wanted.target_reliability, price=price, seeds=SEEDS, budget=allowed
    )
    counts = [count for count in (needed.comparisons, allowed) if count is not None]
    comparisons = min(counts, default=None)
    return Prospect(
        name=f"{name}, {'with margins' if with_margins else 'winners only'}",
        sd=judge.sd,
        with_margins=with_margins,
        effort=needed,
        comparisons=comparisons,
        reliability=needed.power.expected,
    )


def _budget(wanted: Wanted, price: PairCost | None) -> int | None:
    """The comparisons that are allowed and paid for."""
    allowed = [] if wanted.max_comparisons is None else [wanted.max_comparisons]
    if wanted.max_cost_usd is not None and price is not None and price.likely > 0:
        allowed.append(int(wanted.max_cost_usd / price.likely))
    return min(allowed, default=None)


def offers(wanted: Wanted, found: Sequence[Prospect], size: PromptSize) -> tuple[Offer, ...]:
    """The chosen judge first, then every model of the manifest that can be used today, the cheapest first."""
    chosen = _chosen(wanted, found, size)
    names = {each.judge for each in chosen}
    others = [
        _offer(model, found, size, is_chosen=False)
        for model in list_models()
        if model.provider not in NOT_OFFERED and model.id != ANY_MODEL and model.full_name not in names
    ]
    return (*chosen, *sorted(others, key=_price))


def _chosen(wanted: Wanted, found: Sequence[Prospect], size: PromptSize) -> list[Offer]:
    if wanted.panel:
        return [_panel_offer(wanted.panel, found, size)]
    if wanted.provider is None and wanted.model is None:
        return []
    resolved = resolve_judge(wanted.provider, wanted.model)
    return [_offer(get_model(resolved.provider, resolved.model), found, size, is_chosen=True)]


def chosen_price(wanted: Wanted, size: PromptSize) -> PairCost | None:
    """The price of a comparison by the judge that is asked for; None where none is, or its price is not known."""
    if wanted.panel:
        return mean_cost(
            [(pair_cost(get_model(each.provider, each.model), size), each.share) for each in wanted.panel]
        )
    if wanted.provider is None and wanted.model is None:
        return None
    resolved = resolve_judge(wanted.provider, wanted.model)
    return pair_cost(get_model(resolved.provider, resolved.model), size)


def _offer(model: Model, found: Sequence[Prospect], size: PromptSize, *, is_chosen: bool) -> Offer:
    return Offer(
        judge=model.full_name,
        is_chosen=is_chosen,
        dollars=_dollars(pair_cost(model, size), found),
        batch_dollars=_dollars(pair_cost(model, size, batch=True), found) if model.batch_api else {},
        minutes=_minutes(pace([(model, 1.0)], size), found),
    )


def _panel_offer(panel: Sequence[PanelJudge], found: Sequence[Prospect], size: PromptSize) -> Offer:
    models = [(get_model(each.provider, each.model), each.share) for each in panel]
    has_batch = all(model.batch_api for model, _ in models)
    batch = mean_cost([(pair_cost(model, size, batch=True), share) for model, share in models])
    return Offer(
        judge="the panel",
        is_chosen=True,
        dollars=_dollars(mean_cost([(pair_cost(model, size), share) for model, share in models]), found),
        batch_dollars=_dollars(batch, found) if has_batch else {},
        minutes=_minutes(pace(models, size), found),
    )


def _dollars(price: PairCost | None, found: Sequence[Prospect]) -> dict[str, Decimal | None]:
    return {
        each.name: None if price is None or each.comparisons is None else each.comparisons * price.likely
        for each in found
    }


def _minutes(judges: Pace, found: Sequence[Prospect]) -> dict[str, float | None]:
    return {
        each.name: None
        if each.comparisons is None
        else judges.minutes(
            each.comparisons,
            per_essay=2 * each.comparisons / each.effort.power.design.essays,
            with_margins=each.with_margins,
        )
        for each in found
    }


def _price(offer: Offer) -> tuple[Decimal | float, str]:
    known = [amount for amount in offer.dollars.values() if amount is not None]
    return (max(known) if known else math.inf, offer.judge)
