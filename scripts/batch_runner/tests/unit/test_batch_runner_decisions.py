"""Reading decisions of any origin."""

import re
from collections import Counter
from pathlib import Path

import pytest
from batch_runner.decisions.from_file import read_decisions
from batch_runner.tests.decision_files import EXPECTED, Won, read, winners_and_losers
from event_contracts import InvalidRequest


@pytest.mark.parametrize(
    ("text", "slots_known"),
    [
        pytest.param(
            "judge,candidate_chosen,candidate_not_chosen\nj1,anna,bo\nj2,cia,bo\nj1,anna,cia\n",
            False,
            id="no-more-marking",
        ),
        pytest.param("item1,item2,result\nanna,bo,1\nbo,cia,0\nanna,cia,1.0\n", True, id="sirt"),
        pytest.param("ID1,ID2,better_id\nanna,bo,anna\nbo,cia,cia\nanna,cia,anna\n", True, id="pairwisellm"),
        pytest.param("Winner,Loser\nanna,bo\ncia,bo\nanna,cia\n", False, id="winner-loser"),
        pytest.param(
            "essay_a_id,essay_b_id,state,judge,candidate_chosen,candidate_not_chosen\n"
            "anna,bo,judged,m,anna,bo\nbo,cia,judged,m,cia,bo\nanna,cia,judged,m,anna,cia\n",
            True,
            id="a-run-of-ours",
        ),
        pytest.param("winner;loser\r\nanna;bo\r\ncia;bo\r\nanna;cia\r\n", False, id="semicolons"),
        pytest.param("winner\tloser\nanna\tbo\ncia\tbo\nanna\tcia\n", False, id="tabs"),
        pytest.param("\ufeffwinner,loser\nanna , bo\ncia,bo\n\nanna,cia", False, id="bom-spaces-empty-line"),
    ],
)
def test_every_kind_of_file_says_the_same(tmp_path: Path, text: str, slots_known: bool) -> None:
    decisions = read(tmp_path, text)

    assert winners_and_losers(decisions) == EXPECTED
    assert decisions.slots_known is slots_known


def test_the_slots_are_the_order_in_which_the_items_were_shown(tmp_path: Path) -> None:
    decisions = read(tmp_path, "ID1,ID2,better_id\nanna,bo,bo\nbo,anna,bo\n")

    shown = [decisions.items[place] for place in decisions.comparisons.slot_a]
    assert shown == ["anna", "bo"]
    assert decisions.comparisons.a_won.tolist() == [False, True]


def test_what_cannot_be_fitted_is_counted_and_left_out(tmp_path: Path) -> None:
    text = "item1,item2,winner\na,b,a\na,b,Tie\nb,b,b\na,b,\na,c,NA\nd,e,draw\n"

    decisions = read(tmp_path, text)

    assert winners_and_losers(decisions) == [("a", "b")]
    assert (decisions.ties, decisions.self_comparisons, decisions.without_vote) == (2, 1, 2)
    assert decisions.left_out_items == ("c", "d", "e")


def test_a_result_may_be_a_number_a_decimal_comma_or_the_name_of_a_column(tmp_path: Path) -> None:
    text = "judge;a1;a2;value\nj;x;y;a1\nj;x;y;a2\nj;x;y;equal\nj;x;y;0,5\nj;x;y;1,0\n"

    columns = ("slot_a=a1", "slot_b=a2", "result=value", "judge=judge")
    decisions = read(tmp_path, text, columns=columns, coding=("1=a", "0.5=tie"))

    assert winners_and_losers(decisions) == [("x", "y"), ("y", "x"), ("x", "y")]
    assert decisions.ties == 2


def test_a_mapping_names_the_first_column_without_the_mark_that_excel_puts_before_it(tmp_path: Path) -> None:
    decisions = read(tmp_path, "\ufeffbäst,sämst\na,b\n", columns=("winner=bäst", "loser=sämst"))

    assert winners_and_losers(decisions) == [("a", "b")]


def test_judges_are_named_where_the_file_names_them(tmp_path: Path) -> None:
    named = read(tmp_path, "judge,winner,loser\nNA,a,b\nbeata,a,b\n")
    unnamed = read(tmp_path, "winner,loser\na,b\n")

    assert (named.judges, named.judges_known) == (("NA", "beata"), True)
    assert (unnamed.judges, unnamed.judges_known) == (("(not named)",), False)


def test_an_item_may_be_called_like_a_tie(tmp_path: Path) -> None:
    assert winners_and_losers(read(tmp_path, "item1,item2,winner\ntie,b,tie\n")) == [("tie", "b")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no header"),
        ("winner,loser\n", "no row decides between two items: of 0 rows"),
        ("winner,loser\na,a\n", "1 compare an item with itself"),
        ("winner,winner,loser\na,b,c\n", "two columns are called winner"),
        ("winner,loser\na,b\na,b,c\n", "line 3 has 3 cells, but the header has 2"),
        ("winner,loser\na,b\na,\n", "line 3: only one of winner and loser"),
        ("judge,winner,loser\nj,a,b\n,a,b\n", "line 3: there is a vote, but no judge"),
        ("item1,item2,winner\na,b,c\n", "line 2: the winner 'c' is neither 'a' nor 'b'"),
        ("item1,item2,winner\na,,a\n", "line 2: one of the two items has no name"),
        ("item1,item2,result\na,b,2\n", "line 2: the result '2' is not 1 "),
        (
            "item1,item2,winner,loser\na,b,a,a\n",
            "line 2: the loser 'a' is not the item that did not win, 'b'",
        ),
        ("item1,item2,winner,loser\na,b,,a\n", "line 2: there is a loser, but no winner"),
        ('winner,loser\n"a,b\n', "unexpected end of data"),
    ],
)
def test_wrong_files_are_refused_by_name_and_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=f"decisions.csv: .*{reason}"):
        read(tmp_path, text)


def test_many_wrong_lines_are_summed_up(tmp_path: Path) -> None:
    rows = "a,b,c\n" * 20

    with pytest.raises(InvalidRequest) as caught:
        read(tmp_path, f"item1,item2,winner\n{rows}")

    assert "line 6:" in caught.value.message
    assert "line 7:" not in caught.value.message
    assert caught.value.message.endswith("and 15 more lines")


def test_a_file_in_another_encoding_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="byte 13 is not UTF-8; save the file as CSV in UTF-8"):
        read(tmp_path, "winner,loser\nåsa,bo\n", encoding="latin-1")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"nowhere\.csv: cannot be read: No such file"):
        read_decisions(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("winner,loser,freq\na,b,2\nb,a,0\n", (), {("a", "b"): 2}),
        ("winner,loser,wins\na,b,2\nb,a,1.0\n", (), {("a", "b"): 2, ("b", "a"): 1}),
        ("item1,item2,wins1,wins2\na,b,3,1\n", (), {("a", "b"): 3, ("b", "a"): 1}),
        ("winner,loser,n\na,b,2\n", ("winner=winner", "loser=loser", "count=n"), {("a", "b"): 2}),
        ("winner,loser,n\na,b,2\n", ("ignore=n",), {("a", "b"): 1}),
    ],
)
def test_a_column_of_counts_is_used(
    tmp_path: Path, text: str, columns: tuple[str, ...], expected: dict[Won, int]
) -> None:
    assert Counter(winners_and_losers(read(tmp_path, text, columns=columns))) == expected


def test_a_weight_counts_like_so_many_decisions(tmp_path: Path) -> None:
    text = "winner,loser,weight\na,b,2.5\nb,a,0.5\n"

    decisions = read(tmp_path, text, columns=("winner=winner", "loser=loser", "weight=weight"))

    assert decisions.comparisons.weight.tolist() == [2.5, 0.5]


@pytest.mark.parametrize("name", ["n", "weight", "W", "wt"])
@pytest.mark.parametrize("columns", [(), ("winner=winner", "loser=loser")])
def test_a_column_that_may_be_a_count_is_never_passed_over(
    tmp_path: Path, name: str, columns: tuple[str, ...]
) -> None:
    with pytest.raises(
        InvalidRequest, match=f"the column '{name}' may say how often a row counts: .*ignore={name}"
    ):
        read(tmp_path, f"winner,loser,{name}\na,b,2\n", columns=columns)


@pytest.mark.parametrize(
    ("count", "reason"),
    [
        ("1.5", "is not a whole number: if it is a weight, map it as weight"),
        ("x", "is not a number"),
        ("-1", "from 0"),
    ],
)
def test_an_invalid_count_is_refused_by_line(tmp_path: Path, count: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=f"line 2: the count '{count}' .*{reason}"):
        read(tmp_path, f"winner,loser,count\na,b,{count}\n")


def test_too_many_decisions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="more than 2000000 decisions"):
        read(tmp_path, "winner,loser,count\na,b,1500000\nb,a,1500000\n")


@pytest.mark.parametrize(
    ("text", "coding", "expected"),
    [
        ("left,right,choice\na,b,L\na,b,R\n", (), [("a", "b"), ("b", "a")]),
        ("left,right,choice\na,b,left\na,b,right\n", (), [("a", "b"), ("b", "a")]),
        ("model_a,model_b,winner\na,b,model_a\na,b,model_b\n", (), [("a", "b"), ("b", "a")]),
        ("item1,item2,outcome\na,b,0\na,b,1\n", ("0=a", "1=b"), [("a", "b"), ("b", "a")]),
        ("item1,item2,result\na,b,1\na,b,2\n", ("1=a", "2=b"), [("a", "b"), ("b", "a")]),
        ("item1,item2,result\na,b,1.0\na,b,-1\n", ("1=a", "-1=b"), [("a", "b"), ("b", "a")]),
        ("item1,item2,choice\na,b,d\na,b,k\na,b,q\n", ("d=a", "k=b", "q=none"), [("a", "b"), ("b", "a")]),
        ("item1,item2,winner\n1,2,1.0\n2,3,3.0\n", (), [("1", "2"), ("3", "2")]),
    ],
)
def test_sides_keys_and_numbers_are_read_as_the_columns_or_the_user_say(
    tmp_path: Path, text: str, coding: tuple[str, ...], expected: list[Won]
) -> None:
    assert winners_and_losers(read(tmp_path, text, coding=coding)) == expected


def test_how_a_file_was_read_is_reported(tmp_path: Path) -> None:
    decisions = read(tmp_path, "item1,item2,outcome\na,b,0\nb,a,1\n", coding=("0=a", "1=b"))

    assert decisions.how_read == (
        "columns: slot_a = 'item1', slot_b = 'item2', result = 'outcome'",
        "values: '0' = the first won (as set), '1' = the second won (as set)",
    )
    assert decisions.guesses == ()


@pytest.mark.parametrize("text", ["item1,item2,result\na,b,1\nb,a,0\n", "item1,item2,choice\na,b,L\nb,a,R\n"])
def test_a_coding_that_is_guessed_is_said_to_be_guessed(tmp_path: Path, text: str) -> None:
    (guess,) = read(tmp_path, text).guesses

    assert guess.startswith("the coding is guessed (")
    assert "--coding VALUE=a|b|tie" in guess


@pytest.mark.parametrize(
    ("text", "coding", "reason"),
    [
        ("item1,item2,outcome\na,b,0\n", (), "'0' in 'outcome' may mean that the first won, or the second"),
        ("item1,item2,result\na,b,2\n", (), "1 and 2 could be the first and the second"),
        ("item1,item2,result\na,b,1\na,b,0\n", ("1=a",), "the result '0' is not 1"),
        (
            "item1,item2,choice\na,b,d\n",
            (),
            "the winner 'd' is neither 'a' nor 'b'; if it names a side, say which",
        ),
        ("item1,item2,result\na,b,1\n", ("1=first",), "--coding 1=first: write --coding VALUE=a"),
        ("item1,item2,result\na,b,1\n", ("1=a", "1.0=b"), "'1.0' is given twice"),
    ],
)
def test_a_coding_that_is_not_known_is_refused_with_how_to_say_it(
    tmp_path: Path, text: str, coding: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(reason)):
        read(tmp_path, text, coding=coding)


def test_a_coding_that_is_not_known_is_reported_once_for_many_lines(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(tmp_path, "item1,item2,outcome\n" + "a,b,0\n" * 20)

    assert caught.value.message.count("may mean") == 1


def test_ties_count_as_half_a_win_either_way_where_asked_for(tmp_path: Path) -> None:
    text = "item1,item2,winner\na,b,a\na,b,tie\na,b,tie (bothbad)\n"

    dropped, halved = read(tmp_path, text), read(tmp_path, text, ties="half")

    assert (dropped.decisions, dropped.ties, dropped.halved_ties) == (1, 2, False)
    assert (halved.decisions, halved.ties, halved.halved_ties) == (3, 2, True)
    assert halved.comparisons.weight.tolist() == [1, 0.5, 0.5, 0.5, 0.5]
    assert halved.comparisons.a_won.tolist() == [True, True, False, True, False]


def test_nothing_but_ties_can_be_fitted_where_they_count_half(tmp_path: Path) -> None:
    text = "item1,item2,winner\na,b,tie\n"

    assert read(tmp_path, text, ties="half").items == ("a", "b")
    with pytest.raises(InvalidRequest, match="1 are ties"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("winner,loser\n1,2.0\n2,3.0\n1.0,3.0\n", ("1", "2", "3")),
        ("winner,loser\nÅsa,Bo\nA\u030asa,Bo\n", ("Bo", "Åsa")),
        ("winner,loser\nA  b,c\nA b,c\n", ("A b", "c")),
        ("winner,loser\n1.5,2.0\n", ("1.5", "2.0")),
        ("winner,loser\n007,7\n", ("007", "7")),
    ],
)
def test_one_item_has_one_name(tmp_path: Path, text: str, items: tuple[str, ...]) -> None:
    assert read(tmp_path, text).items == items


def test_versions_that_may_be_whole_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidRequest, match=r"'1' and '1\.0' may be one item or two, as there is also '1\.1'"
    ):
        read(tmp_path, "winner,loser\n1,1.1\n1.0,1.1\n")


def test_items_that_may_be_one_are_doubted(tmp_path: Path) -> None:
    (doubt,) = read(tmp_path, "winner,loser\nS01,s01\n007,7\n").doubts

    assert "'S01' and 's01' differ only in case or form" in doubt
    assert "'007' and '7' differ only in leading zeros" in doubt
