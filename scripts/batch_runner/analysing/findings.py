"""The findings of an analysis, as ``cj-run analyse --json`` prints them; items best first, scores in logits."""

from pydantic import BaseModel, ConfigDict


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class ClassicalItem(_View):
    """An item in the classical fit."""

    item: str
    theta: float
    se: float
    infit: float
    outfit: float


class ClassicalView(_View):
    """The classical fit of the field, without prior and position effects; see ``Analysis.not_measurable``."""

    ssr: float | None
    ssr_prime: float | None
    items: tuple[ClassicalItem, ...]


class ModelItem(_View):
    """An item's score with its 90 % interval, its rank, the fit of its decisions, and its flags."""

    item: str
    theta: float
    se: float
    low: float
    high: float
    rank: int
    comparisons: int | float
    wins: int | float
    infit: float
    outfit: float
    flags: tuple[str, ...]


class PositionBiasView(_View):
    """Preference for the first slot in logits, its standard error, and P(the first of two equal items wins)."""

    b: float
    se: float
    p_first_if_equal: float


class ModelView(_View):
    """The fit with an estimated prior; ``tau`` is the prior's standard deviation."""

    eb_reliability: float
    tau: float
    position_bias: PositionBiasView | None
    items: tuple[ModelItem, ...]


class JudgeView(_View):
    """A judge: how well its decisions fit, its position effect, and how often both orders had the same winner.

    ``levels`` says in words what its margins tell, null where it states none.
    """

    judge: str
    comparisons: int | float
    infit: float
    outfit: float
    position_bias: PositionBiasView | None
    swapped_pairs: int
    same_winner_share: float | None
    levels: str | None = None
    flags: tuple[str, ...]


class PanelJudgeView(_View):
    """A judge among others: its sharpness (1 is usual), and how well the others predict it.

    ``predicted`` is the share of its decisions in which the item won that the others hold to be better.
    """

    judge: str
    discrimination: float
    predicted: float | None
    log_loss: float | None


class AgreementView(_View):
    """Two judges on the pairs that both judged: share of equal decisions, and Cohen's kappa."""

    first: str
    second: str
    pairs: int
    agreement: float
    kappa: float | None


class PanelView(_View):
    """The judges of a panel and any two of them that judged common pairs."""

    judges: tuple[PanelJudgeView, ...]
    agreements: tuple[AgreementView, ...]


class GraphView(_View):
    """How the comparisons connect the items."""

    components: int
    win_graph_connected: bool
    degree_min: int
    degree_median: float
    degree_max: int
    algebraic_connectivity: float
    closed_triads: int
    circular_share: float | None


class Analysis(_View):
    """Everything that ``cj-run analyse`` tells; items stand best first.

    ``how_read`` says as what the columns and values of the file were read. A reliability that came out below 0 says
    nothing: it is null, and its name is in ``not_measurable``.
    """

    comparisons: int
    judges: int
    self_comparisons: int
    ties: int
    halved_ties: bool
    without_vote: int
    split_half: float | None
    split_half_stepped_up: float | None
    classical: ClassicalView | None
    model: ModelView
    judge_table: tuple[JudgeView, ...]
    panel: PanelView | None
    graph: GraphView
    close_calls: tuple[tuple[str, ...], ...]
    how_read: tuple[str, ...]
    not_measurable: tuple[str, ...]
    red_flags: tuple[str, ...]
    warnings: tuple[str, ...]
