"""What a simulation finds, as ``cj-run simulate --json`` prints it."""

from pydantic import BaseModel, ConfigDict

from batch_runner.planning.forecast import Effort


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class MediansView(_View):
    """Medians of all runs after ``comparisons_per_essay``.

    ``ssr`` is null where the classical fit found no end. ``true_r2`` is the squared correlation of scores and truth,
    ``spearman`` that of the ranks; null where all essays are equal. ``coverage`` is the share of 90 % intervals that
    hold the truth.
    """

    comparisons_per_essay: float
    eb_reliability: float
    ssr: float | None
    true_r2: float | None
    spearman: float | None
    coverage: float


class PowerView(_View):
    """What the target takes: the median and the range of four in five runs; null if it is out of reach.

    ``reached`` is the share of runs that reached it. Dollars are null without a known price.
    """

    reached: float
    comparisons_per_essay: float | None
    comparisons: int | None
    comparisons_low: int | None
    comparisons_high: int | None
    cost_usd: float | None
    cost_usd_low: float | None
    cost_usd_high: float | None

    @classmethod
    def of(cls, effort: Effort) -> "PowerView":
        """The figures of an effort."""
        cost, low, high = (
            None if amount is None else float(amount)
            for amount in (effort.cost, effort.cost_low, effort.cost_high)
        )
        return cls(
            reached=effort.power.reached,
            comparisons_per_essay=effort.power.comparisons_per_essay,
            comparisons=effort.comparisons,
            comparisons_low=effort.low,
            comparisons_high=effort.high,
            cost_usd=cost,
            cost_usd_low=low,
            cost_usd_high=high,
        )


class Simulation(_View):
    """Everything that ``cj-run simulate`` reports, by pairing policy.

    ``says`` is what the judge says besides who won. ``policies`` holds the medians at the end, ``curves`` those on the
    way to it, ``power`` what the target takes.
    """

    essays: int
    sd: float
    position_bias: float
    noise: float
    says: str
    seeds: int
    target_reliability: float | None
    judge: str | None
    policies: dict[str, MediansView]
    curves: dict[str, tuple[MediansView, ...]]
    power: dict[str, PowerView]
