"""Why CJ Assessment left an essay out is said in Swedish on a Swedish page, in the words of the service."""

import pytest
from batch_runner.reporting.page.remarks import translated
from batch_runner.reporting.page.wording import Language, Wording
from cj_assessment.domain.batch import Essay, TextRules, with_text
from cj_assessment.domain.contents import Fetched
from cj_assessment.domain.deciding.decision import UNLINKED
from cj_assessment.domain.deciding.participation import participation
from cj_assessment.tests.building import asked, essays, snapshot
from event_contracts import ComparisonState

ESSAY = Essay(item=0, essay_id="a", text_storage_id="text")


def in_swedish(message: str) -> bool:
    return translated(message, Wording(Language.SWEDISH))[1] is Language.SWEDISH


@pytest.mark.parametrize(
    "fetched",
    [
        Fetched(bodies={}, failures={"text": "the content service answered 500"}),
        Fetched(bodies={}, failures={}, too_long=frozenset({"text"})),
        Fetched(bodies={}, failures={}),
        *(Fetched(bodies={"text": body}, failures={}) for body in (b"\xff", b"a\x00b", b" ", b"x" * 101)),
    ],
    ids=["out of reach", "too many bytes", "not stored", "not UTF-8", "NUL", "empty", "too long"],
)
def test_why_a_text_cannot_be_judged_is_translated(fetched: Fetched) -> None:
    problem = with_text(ESSAY, fetched, rules=TextRules(max_characters=100)).problem

    assert problem is not None
    assert in_swedish(problem), problem


def test_why_an_essay_has_no_rank_is_translated() -> None:
    failed = [asked(0, 1, ComparisonState.FAILED) for _ in range(20)]

    excluded = participation(snapshot(essays(3), failed)).excluded

    assert excluded
    for reason in (UNLINKED, *excluded.values()):
        assert in_swedish(reason), reason
