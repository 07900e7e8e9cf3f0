"""Commands that take their options as one value."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from command_line.option_values import with_options
from typer.testing import CliRunner


@dataclass(frozen=True, slots=True, kw_only=True)
class GreetOptions:
    """Who is greeted, and how."""

    name: Annotated[str, typer.Argument(help="Who is greeted.")]
    times: Annotated[int, typer.Option(min=1, help="How often.")] = 1
    loud: Annotated[bool, typer.Option("--loud", help="In capitals.")] = False


received: list[GreetOptions] = []
app = typer.Typer()


@app.command()
@with_options(GreetOptions)
def greet(options: GreetOptions) -> None:
    """Greet somebody."""
    received.append(options)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["Ada"], GreetOptions(name="Ada")),
        (["Ada", "--times", "3", "--loud"], GreetOptions(name="Ada", times=3, loud=True)),
    ],
)
def test_a_command_gets_what_was_typed_and_the_defaults_of_the_rest(
    typed: list[str], expected: GreetOptions
) -> None:
    received.clear()

    result = CliRunner().invoke(app, typed)

    assert result.exit_code == 0, result.output
    assert received == [expected]


@pytest.mark.parametrize("typed", [[], ["Ada", "--times", "0"], ["Ada", "--quietly"]])
def test_what_no_field_allows_is_refused_before_the_command_begins(typed: list[str]) -> None:
    received.clear()

    assert CliRunner().invoke(app, typed).exit_code == 2
    assert not received


def test_help_names_the_command_and_every_field() -> None:
    said = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"}).output

    for part in ("Greet somebody.", "name", "Who is greeted.", "--times", "How often.", "--loud"):
        assert part in said
