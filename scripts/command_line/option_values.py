"""Commands that take all of their options as one frozen value."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature
from typing import Any, TypeVar, get_type_hints

OptionsT = TypeVar("OptionsT")


def with_options(kind: type[OptionsT]) -> Callable[[Callable[[OptionsT], None]], Callable[..., None]]:
    """Make a command of a function that takes its options as a frozen dataclass of this ``kind``.

    Typer reads options from the parameters of a function. It is shown one for each field, with the field's name, its
    annotation (`Annotated[…, typer.Option(…)]`) and its default; the function gets them as one value.
    """

    def command_of(function: Callable[[OptionsT], None]) -> Callable[..., None]:
        @wraps(function)
        def command(**given: Any) -> None:
            function(kind(**given))

        command.__signature__ = _of_fields(kind)  # type: ignore[attr-defined]  # what inspect.signature reads
        return command

    return command_of


def _of_fields(kind: type[object]) -> Signature:
    hints = get_type_hints(kind, include_extras=True)
    return Signature(
        [
            parameter.replace(annotation=hints[parameter.name], kind=Parameter.KEYWORD_ONLY)
            for parameter in Signature.from_callable(kind).parameters.values()
        ]
    )
