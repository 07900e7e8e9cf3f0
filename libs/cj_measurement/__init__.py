"""The mathematics of comparative judgement: pairing, Bradley–Terry, reliability, stopping, grades."""

from cj_measurement.bootstrap import Bootstrap, bootstrap
from cj_measurement.bradley_terry import Discrimination, Fit, PositionBias, fit
from cj_measurement.classical import ClassicalFit, fit_classical
from cj_measurement.comparisons import Comparisons
from cj_measurement.diagnostics import (
    GraphShape,
    Losses,
    SwapConsistency,
    Triads,
    circular_triads,
    close_calls,
    graph_shape,
    length_correlation,
    losses,
    swap_consistency,
)
from cj_measurement.errors import (
    GraphNotConnected,
    InvalidArgument,
    InvalidComparisons,
    MeasurementError,
    NotConverged,
    TooLarge,
)
from cj_measurement.fit_statistics import MeanSquares, item_fit, judge_fit, residuals
from cj_measurement.grades import (
    Anchor,
    ConfidenceLabel,
    GradeProjection,
    GradeWarning,
    NoProjection,
    ScaleShape,
    confidence_label,
    project_grades,
)
from cj_measurement.pairing import Pair, PairingSettings, PairingState, Policy, plan_pairs
from cj_measurement.posterior import FixedAbilities
from cj_measurement.reliability import (
    Reliability,
    SplitHalf,
    eb_reliability,
    kinnear_ssr_prime,
    scale_separation_reliability,
)
from cj_measurement.split_half import reliability_of, split_half
from cj_measurement.stopping import (
    Gate,
    GateStatus,
    StopInputs,
    StopReason,
    StopVerdict,
    evaluate_stop,
)

__all__ = [
    "Anchor",
    "Bootstrap",
    "ClassicalFit",
    "Comparisons",
    "ConfidenceLabel",
    "Discrimination",
    "Fit",
    "FixedAbilities",
    "Gate",
    "GateStatus",
    "GradeProjection",
    "GradeWarning",
    "GraphNotConnected",
    "GraphShape",
    "InvalidArgument",
    "InvalidComparisons",
    "Losses",
    "MeanSquares",
    "MeasurementError",
    "NoProjection",
    "NotConverged",
    "Pair",
    "PairingSettings",
    "PairingState",
    "Policy",
    "PositionBias",
    "Reliability",
    "ScaleShape",
    "SplitHalf",
    "StopInputs",
    "StopReason",
    "StopVerdict",
    "SwapConsistency",
    "TooLarge",
    "Triads",
    "bootstrap",
    "circular_triads",
    "close_calls",
    "confidence_label",
    "eb_reliability",
    "evaluate_stop",
    "fit",
    "fit_classical",
    "graph_shape",
    "item_fit",
    "judge_fit",
    "kinnear_ssr_prime",
    "length_correlation",
    "losses",
    "plan_pairs",
    "project_grades",
    "reliability_of",
    "residuals",
    "scale_separation_reliability",
    "split_half",
    "swap_consistency",
]
