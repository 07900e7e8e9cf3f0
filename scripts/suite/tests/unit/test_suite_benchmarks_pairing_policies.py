"""The comparison of pairing policies: figures read off correctly, and put where the pages have room for them."""

from pathlib import Path

import pytest
from cj_measurement import Reading
from suite.benchmarks.pairing_policies import (
    BASELINE,
    BEGIN,
    CONTENDERS,
    END,
    EXPLANATION,
    Measured,
    dollars,
    draw,
    limit,
    needed,
    reliability,
    remark,
    save_plot,
    table,
    truth,
    with_table,
)


def readings(*, quicker: float = 0.0) -> list[Reading]:
    return [
        Reading(
            comparisons_per_essay=float(k),
            eb_reliability=0.5 + k / 50 + quicker,
            ssr=0.6,
            true_r2=0.6 + k / 50 + quicker,
            spearman=0.9,
            coverage=0.9,
        )
        for k in range(4, 30, 2)
    ]


def measured() -> Measured:
    by_contender = {
        contender: readings(quicker=0.0 if contender is BASELINE else 0.1) for contender in CONTENDERS
    }
    coin = {contender: readings()[0] for contender in CONTENDERS}
    return Measured(curves={3.0: by_contender, 1.5: by_contender}, coin=coin)


def test_the_target_is_reached_between_two_readings() -> None:
    assert needed(readings(), truth(readings())) == pytest.approx(15.0)
    assert needed(readings(), reliability(readings())) == pytest.approx(20.0)


def test_a_target_never_reached_has_no_number() -> None:
    assert needed(readings()[:3], truth(readings()[:3])) is None


def test_savings_are_compared_with_random_pairs() -> None:
    rows = table(measured()).splitlines()

    assert rows[2].startswith(f"| random pairs | 15.0 | 20.0 | {dollars(20)} | 15.0 | 20.0 | {dollars(20)} |")
    assert rows[3].startswith("| ours, as the service judges | 10.0 (−33%) | 15.0 (−25%) |")


def test_judges_that_say_by_how_much_have_rows_with_their_dollars() -> None:
    rows = table(measured()).splitlines()

    graded = [row for row in rows if row.startswith("| three margins")]
    assert len(graded) == 2
    assert all(f"| {dollars(15)} |" in row for row in graded)


def test_dollars_are_those_of_all_comparisons_of_a_batch() -> None:
    assert float(dollars(20)) == pytest.approx(4 * float(dollars(5)), abs=0.02)
    assert dollars(None) == "–"


def test_no_policy_can_beat_the_information_in_its_answers() -> None:
    """For a blunt judge an answer tells a quarter of the variance of the difference, halved: the limit is known."""
    blunt = limit(0.05)

    assert blunt == pytest.approx(0.98 * 4 * (10 - 1) / 0.05**2, rel=0.01)
    assert limit(3.0) == pytest.approx(9.0, abs=0.05)
    assert limit(1.5) == pytest.approx(21.5, abs=0.1)
    assert table(measured()).splitlines()[-1].startswith("| the limit of any policy | 9.0 (−40%) |")


def test_swedish_readers_get_their_decimal_comma() -> None:
    assert "| slumpade par | 15,0 | 20,0 |" in table(measured(), swedish=True)


def test_the_page_says_how_many_batches_the_figures_are_of() -> None:
    assert remark(40).startswith("Medians of 40 simulated batches of 100 essays.")
    assert remark(16, swedish=True).startswith("Medianer av 16 simulerade omgångar om 100 texter.")


def test_the_table_replaces_the_old_one_and_nothing_else() -> None:
    page = f"before\n{BEGIN}\n\nold\n\n{END}\nafter\n"

    written = with_table(page, "| new |")

    assert written == f"before\n{BEGIN}\n\n| new |\n\n{END}\nafter\n"
    assert with_table(written, "| new |") == written


def test_a_page_without_room_for_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for the table"):
        with_table("nothing here", "| new |")


@pytest.mark.parametrize("page", ["measurement.md", "measurement.sv.md"])
def test_both_pages_have_room_for_the_table(page: str) -> None:
    text = (Path(__file__).parents[4] / EXPLANATION / page).read_text(encoding="utf-8")

    assert "| new |" in with_table(text, "| new |")


def test_the_same_figures_give_the_same_plot(tmp_path: Path) -> None:
    for name in ("once.svg", "again.svg"):
        save_plot(draw(measured()), tmp_path / name)

    once, again = (tmp_path / name for name in ("once.svg", "again.svg"))
    assert once.read_bytes() == again.read_bytes()
    assert "SD 1.5" in once.read_text(encoding="utf-8")
