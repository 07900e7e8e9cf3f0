"""The README's picture is drawn from what the demo prints, and loads nothing."""

from xml.etree import ElementTree

import pytest
from suite.generated.pictures import PICTURE, drawn, excerpt
from suite.generated.site import ROOT

PRINTED = "\n".join(
    [
        "starting …",
        "A town centre without cars?   ",
        " rank  essay         grade  P(grade)  score ± error ",
        *(f"{n:5}  student-{n:02}    A      0.54   +2.93 ± 0.63 " for n in range(1, 37)),
        "24 essays and 12 anchors, 242 comparisons, reliability 0.930, $0.0000, 6.8 s, stopped: target_reached",
        "/tmp/somewhere/essays.csv",
    ]
)


def test_the_picture_shows_the_first_and_last_rows_and_no_path_and_no_time() -> None:
    lines = excerpt(PRINTED)

    assert lines[2] == "A town centre without cars?"
    assert "student-12" in lines[15]
    assert "student-36" in lines[-2]
    assert "6.8 s" not in lines[-1]
    assert not any("/tmp" in line for line in lines)


def test_output_without_a_ranking_is_refused() -> None:
    with pytest.raises(ValueError, match="no ranking"):
        excerpt("starting …\n")


@pytest.mark.parametrize("picture", [drawn(excerpt(PRINTED)), (ROOT / PICTURE).read_text("utf-8")])
def test_the_picture_is_well_formed_and_loads_nothing(picture: str) -> None:
    ElementTree.fromstring(picture)

    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    assert "student-" in picture
