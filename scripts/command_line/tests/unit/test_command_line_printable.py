"""Text from outside in a terminal."""

from command_line.printable import printable


def test_names_are_shown_without_control_characters() -> None:
    assert printable("a\nb\udce5") == r"a\nb\xe5"


def test_line_ends_are_kept_where_a_text_has_lines() -> None:
    assert printable("a\nb\x1b[31m", kept="\n") == "a\nb\\x1b[31m"
