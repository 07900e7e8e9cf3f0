"""Reading decisions of any origin."""

from pathlib import Path

import pytest
from batch_runner.decisions import Decisions, read_decisions
from event_contracts import InvalidRequest

Won = tuple[str, str]


def read(folder: Path, text: str, *, columns: tuple[str, ...] = (), encoding: str = "utf-8") -> Decisions:
    path = folder / "decisions.csv"
    path.write_bytes(text.encode(encoding))
    return read_decisions(path, columns=columns)


def winners_and_losers(decisions: Decisions) -> list[Won]:
    data, name = decisions.comparisons, decisions.items
    return [(name[w], name[loser]) for w, loser in zip(data.winners, data.losers, strict=True)]


EXPECTED = [("anna", "bo"), ("cia", "bo"), ("anna", "cia")]


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

    decisions = read(tmp_path, text, columns=("slot_a=a1", "slot_b=a2", "result=value", "judge=judge"))

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
