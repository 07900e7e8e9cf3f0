"""The mathematics of comparative judgement: pairing, Bradley–Terry, reliability, stopping, grades."""

from cj_measurement.bradley_terry import Fit, PositionBias, fit
from cj_measurement.comparisons import Comparisons
from cj_measurement.errors import GraphNotConnected, InvalidComparisons, MeasurementError, NotConverged
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
from cj_measurement.reliability import eb_reliability, kinnear_ssr_prime, scale_separation_reliability
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
    "Comparisons",
    "ConfidenceLabel",
    "Fit",
    "Gate",
    "GateStatus",
    "GradeProjection",
    "GradeWarning",
    "GraphNotConnected",
    "InvalidComparisons",
    "MeasurementError",
    "NoProjection",
    "NotConverged",
    "Pair",
    "PairingSettings",
    "PairingState",
    "Policy",
    "PositionBias",
    "ScaleShape",
    "StopInputs",
    "StopReason",
    "StopVerdict",
    "confidence_label",
    "eb_reliability",
    "evaluate_stop",
    "fit",
    "kinnear_ssr_prime",
    "plan_pairs",
    "project_grades",
    "scale_separation_reliability",
]
