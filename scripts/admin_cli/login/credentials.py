"""Who logs in: e-mail and password from the environment, or asked for on a terminal, never echoed."""

import os
import sys
from getpass import getpass
from typing import Final

import typer
from command_line.errors import WrongOption

EMAIL_VARIABLE: Final = "CJ_ADMIN_EMAIL"
PASSWORD_VARIABLE: Final = "CJ_ADMIN_PASSWORD"


def credentials(email: str | None, password: str | None) -> tuple[str, str]:
    """E-mail and password; raises ``WrongOption`` where one is missing and there is no terminal."""
    return (
        email or _asked("E-mail", EMAIL_VARIABLE, hidden=False),
        password or _asked("Password", PASSWORD_VARIABLE, hidden=True),
    )


def _asked(name: str, variable: str, *, hidden: bool) -> str:
    if given := os.environ.get(variable):
        return given
    if not sys.stdin.isatty():
        raise WrongOption(f"set {variable}: there is no terminal to ask for it")
    # On stderr: what a command prints may go into a variable. The password's question comes after the echo is off.
    if hidden:
        return _not_echoed(f"{name}: ", variable)
    answer: str = typer.prompt(name, err=True)
    return answer


def _not_echoed(question: str, variable: str) -> str:
    try:
        return getpass(question, stream=sys.stderr)
    except EOFError as error:
        raise WrongOption(f"no input: log in again, or set {variable}") from error
