"""Text from outside in a terminal."""

from command_line.printable import printable


def test_names_are_shown_without_control_characters() -> None:
    assert printable("a\nb\udce5") == r"a\nb\xe5"
