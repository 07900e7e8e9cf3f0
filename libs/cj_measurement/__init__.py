"""The mathematics of comparative judgement: pairing, Bradley–Terry, levels, reliability, stopping, grades."""

from cj_measurement.comparisons import Comparisons
from cj_measurement.diagnostics.close_calls import close_calls
from cj_measurement.diagnostics.consistency import SwapConsistency, Triads, circular_triads, swap_consistency
from cj_measurement.diagnostics.fit_statistics import MeanSquares, item_fit, judge_fit, residuals
from cj_measurement.diagnostics.graph import GraphShape, graph_shape
from cj_measurement.diagnostics.length import length_correlation
from cj_measurement.diagnostics.level_fit import LevelFit, level_fit
from cj_measurement.diagnostics.losses import Losses, losses
from cj_measurement.errors import (
    NUMERICAL_ERRORS,
    GraphNotConnected,
    InvalidArgument,
    InvalidComparisons,
    MeasurementError,
    NotConverged,
    Singular,
    TooLarge,
)
from cj_measurement.fitting.answer_scales import VerdictModel
from cj_measurement.fitting.bradley_terry import fit
from cj_measurement.fitting.classical import ClassicalFit, fit_classical
from cj_measurement.fitting.posterior import FixedAbilities
from cj_measurement.fitting.result import COVARIANCE_LIMIT, Discrimination, Fit, LevelEvidence, PositionBias
from cj_measurement.grading.grade_warnings import GradeWarning, WarningKind
from cj_measurement.grading.projection import GradeProjection, NoProjection, project_grades
from cj_measurement.grading.scale import Anchor, ConfidenceLabel, ScaleShape, confidence_label
from cj_measurement.judges.panels import (
    Agreement,
    JudgeReport,
    LeftOut,
    Panel,
    agreement_of,
    analyse_panel,
    leave_out,
)
from cj_measurement.judges.qualification import (
    Criterion,
    CriterionStatus,
    Qualification,
    QualificationSettings,
    Verdict,
    qualify,
)
from cj_measurement.judges.scale_correlation import ScaleCorrelation, scale_correlation
from cj_measurement.levels import LevelSource
from cj_measurement.linking import AnchorScale, Linked, LinkMethod, link
from cj_measurement.pairing.plan import plan_many, plan_pairs
from cj_measurement.pairing.state import RANDOM_REASONS, Pair, PairingSettings, PairingState, Policy, Reason
from cj_measurement.reliability import (
    INFLATION_LIMIT,
    Reliability,
    SplitHalf,
    eb_reliability,
    kinnear_ssr_prime,
    scale_separation_reliability,
)
from cj_measurement.resampling.bootstrap import Bootstrap, bootstrap
from cj_measurement.resampling.split_half import reliability_of, split_half
from cj_measurement.simulated_judges import Says, SimulatedJudge
from cj_measurement.simulation.courses import Courses, Simulated, courses, simulate
from cj_measurement.simulation.power import Expected, Power, power
from cj_measurement.simulation.run import Design, Reading, Run
from cj_measurement.stopping.forecast import Forecast, UntilTarget, forecast
from cj_measurement.stopping.rule import (
    MIN_COMPARISONS_WHEN_GRADED,
    Gate,
    GateStatus,
    StopInputs,
    StopReason,
    StopVerdict,
    evaluate_stop,
)

__all__ = [
    "COVARIANCE_LIMIT",
    "INFLATION_LIMIT",
    "MIN_COMPARISONS_WHEN_GRADED",
    "NUMERICAL_ERRORS",
    "RANDOM_REASONS",
    "Agreement",
    "Anchor",
    "AnchorScale",
    "Bootstrap",
    "ClassicalFit",
    "Comparisons",
    "ConfidenceLabel",
    "Courses",
    "Criterion",
    "CriterionStatus",
    "Design",
    "Discrimination",
    "Expected",
    "Fit",
    "FixedAbilities",
    "Forecast",
    "Gate",
    "GateStatus",
    "GradeProjection",
    "GradeWarning",
    "GraphNotConnected",
    "GraphShape",
    "InvalidArgument",
    "InvalidComparisons",
    "JudgeReport",
    "LeftOut",
    "LevelEvidence",
    "LevelFit",
    "LevelSource",
    "LinkMethod",
    "Linked",
    "Losses",
    "MeanSquares",
    "MeasurementError",
    "NoProjection",
    "NotConverged",
    "Pair",
    "PairingSettings",
    "PairingState",
    "Panel",
    "Policy",
    "PositionBias",
    "Power",
    "Qualification",
    "QualificationSettings",
    "Reading",
    "Reason",
    "Reliability",
    "Run",
    "Says",
    "ScaleCorrelation",
    "ScaleShape",
    "Simulated",
    "SimulatedJudge",
    "Singular",
    "SplitHalf",
    "StopInputs",
    "StopReason",
    "StopVerdict",
    "SwapConsistency",
    "TooLarge",
    "Triads",
    "UntilTarget",
    "Verdict",
    "VerdictModel",
    "WarningKind",
    "agreement_of",
    "analyse_panel",
    "bootstrap",
    "circular_triads",
    "close_calls",
    "confidence_label",
    "courses",
    "eb_reliability",
    "evaluate_stop",
    "fit",
    "fit_classical",
    "forecast",
    "graph_shape",
    "item_fit",
    "judge_fit",
    "kinnear_ssr_prime",
    "leave_out",
    "length_correlation",
    "level_fit",
    "link",
    "losses",
    "plan_many",
    "plan_pairs",
    "power",
    "project_grades",
    "qualify",
    "reliability_of",
    "residuals",
    "scale_correlation",
    "scale_separation_reliability",
    "simulate",
    "split_half",
    "swap_consistency",
]
