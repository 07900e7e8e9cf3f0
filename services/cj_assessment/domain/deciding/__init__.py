"""What to do next with a batch: ``decide`` reads the evidence of a snapshot and says so.

``snapshot`` what is known · ``participation`` which essays take part · ``budget`` what may still be spent ·
``problems`` what keeps comparisons from being judged, in words · ``evidence`` fit, gates, plan and grades, each
computed once · ``decision`` the rule itself.
"""

from cj_assessment.domain.deciding.budget import comparison_budget
from cj_assessment.domain.deciding.decision import Decision, Fail, Finish, JudgeMore, Wait, decide
from cj_assessment.domain.deciding.evidence import Evidence, Measured, Plan, Ranking
from cj_assessment.domain.deciding.participation import Participation
from cj_assessment.domain.deciding.problems import JudgingFailure, current_problem
from cj_assessment.domain.deciding.snapshot import DecisionRules, Snapshot, Spending

__all__ = [
    "Decision",
    "DecisionRules",
    "Evidence",
    "Fail",
    "Finish",
    "JudgeMore",
    "JudgingFailure",
    "Measured",
    "Participation",
    "Plan",
    "Ranking",
    "Snapshot",
    "Spending",
    "Wait",
    "comparison_budget",
    "current_problem",
    "decide",
]
