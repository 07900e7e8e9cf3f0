"""Recognising the columns of a decisions file."""

import pytest
from batch_runner.decisions.columns import Role, from_settings, recognise
from event_contracts import InvalidRequest


@pytest.mark.parametrize(
    ("header", "slots", "verdict"),
    [
        pytest.param("judge,candidate_chosen,candidate_not_chosen", False, Role.WINNER, id="no-more-marking"),
        pytest.param("Judge,Candidate Chosen,CandidateNotChosen", False, Role.WINNER, id="spelt-otherwise"),
        pytest.param("item1,item2,result", True, Role.RESULT, id="sirt"),
        pytest.param("ID1,ID2,better_id", True, Role.WINNER, id="pairwisellm"),
        pytest.param("winner,loser", False, Role.WINNER, id="winner-loser"),
        pytest.param("item1,item2,winner,time_taken", True, Role.WINNER, id="with-other-columns"),
        pytest.param("item1,item2,winner,choice,left,right", True, Role.WINNER, id="with-less-certain-names"),
        pytest.param("trial,left,right,chosen", True, Role.WINNER, id="sides"),
        pytest.param("item_1_id,item_2_id,outcome", True, Role.RESULT, id="outcome"),
        pytest.param("judgeName,timeTaken,chosen,notChosen", False, Role.WINNER, id="nmmBtm"),
        pytest.param("A_id,B_id,better_id,winner_pos,model", True, Role.WINNER, id="pairwisellm-results"),
        pytest.param("player1,player2,win1,win2", True, Role.WINS_A, id="BradleyTerry2"),
        pytest.param(
            "First name / Last name,Winning submission,Losing submission", False, Role.WINNER, id="moodle"
        ),
        pytest.param(
            "comparison_id,essay_a_id,essay_b_id,state,judge,candidate_chosen,candidate_not_chosen",
            True,
            Role.WINNER,
            id="a-run-of-ours",
        ),
    ],
)
def test_known_kinds_of_file_need_no_settings(header: str, slots: bool, verdict: Role) -> None:
    layout = recognise(header.split(","))

    assert layout.has_slots is slots
    assert verdict in layout.column


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("name,score", "do not say which item won"),
        ("judge,winner", "do not say which item won"),
        ("item1,item2,judge", "do not say which item won"),
        ("item1,winner,loser", "slot_a given without the other slot"),
        ("item1,item2,winner,result", "both a result and a winner"),
        ("winner,candidate_chosen,loser", "'winner', 'candidate_chosen' could each be the winner"),
        ("judge,model,winner,loser", "'judge', 'model' could each be the judge"),
        ("item1,item2,choice,preference", "'choice', 'preference' could each be the winner"),
        ("winner,loser,count,freq", "'count', 'freq' could each be the count"),
        ("item1,item2,wins1", "wins of both items need two slots"),
    ],
)
def test_columns_that_say_too_little_or_two_things_are_refused(header: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason) as caught:
        recognise(header.split(","))

    assert all(repr(name) in caught.value.message for name in header.split(","))
    assert "--columns role=column" in caught.value.message


def test_a_mapping_replaces_recognition() -> None:
    header = ["winner", "candidate_chosen", "loser", "judge"]

    layout = from_settings(header, ["winner=candidate_chosen", "loser=loser"])

    assert layout.column == {Role.WINNER: "candidate_chosen", Role.LOSER: "loser"}


def test_a_column_name_may_hold_an_equals_sign() -> None:
    layout = from_settings(["a=b", "c"], ["winner=a=b", "loser=c"])

    assert layout.column[Role.WINNER] == "a=b"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (["winner"], "write role=column, with one of the roles slot_a, slot_b, winner, loser, result, judge"),
        (["best=w"], "write role=column"),
        (["winner=x"], "there is no column 'x'"),
        (["winner=w", "winner=l"], "winner is given twice"),
        (["winner=w"], "do not say which item won against which"),
    ],
)
def test_a_wrong_mapping_is_refused_with_what_to_write(told: list[str], reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        from_settings(["w", "l"], told)
