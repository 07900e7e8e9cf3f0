"""The measurement library as an assessment uses it: items are essays, judges are models.

``fitting`` from judged comparisons to abilities, ``grading`` from abilities to grades, ``pairing`` the next pairs,
``judges`` how consistent the judges are. What the library cannot compute comes back as a reason, never as an error.
"""

from cj_assessment.domain.measuring.fitting import Fitted, NoFit, NoFitReason, StartingValues, fit_comparisons
from cj_assessment.domain.measuring.grading import GradedEssay, Grading, grade_essays
from cj_assessment.domain.measuring.judges import Consistency, judge_consistency

__all__ = [
    "Consistency",
    "Fitted",
    "GradedEssay",
    "Grading",
    "NoFit",
    "NoFitReason",
    "StartingValues",
    "fit_comparisons",
    "grade_essays",
    "judge_consistency",
]
