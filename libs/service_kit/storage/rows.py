"""One place for how a value becomes a row and a row a value: a codec for each table that is written in sets."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import ARRAY, Result, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import Float, Numeric

from service_kit.storage.database import named_rows

ValueT = TypeVar("ValueT")

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy publishes no type for it


@dataclass(frozen=True)
class RowCodec(Generic[ValueT]):
    """Writes and reads values of one type as rows of ``table``.

    ``write`` names, by column, what is written of a value; ``read`` makes a value from a row by column names. A set of
    values travels as one array per column, so that a statement's text is the same for any number of rows. Raises
    ``KeyError`` when it is made with a column that the table does not have.
    """

    table: Table
    write: Mapping[str, Callable[[ValueT], object]]
    read: Callable[[Mapping[str, Any]], ValueT]

    def __post_init__(self) -> None:
        for name in self.write:
            if isinstance(self.table.c[name].type, ARRAY):
                raise TypeError(
                    f"{self.table.name}.{name} is an array: PostgreSQL cannot unnest arrays of arrays"
                )

    @cached_property
    def columns(self) -> str:
        """The written columns, as SQL lists them."""
        return ", ".join(self.write)

    @cached_property
    def source(self) -> str:
        """SQL: the values of ``parameters`` as rows of a table ``new``, ordered by ``new.input_order``."""
        arrays = ", ".join(f"CAST(:{name} AS {self._array_type(name)})" for name in self.write)
        return f"unnest({arrays}) WITH ORDINALITY AS new ({self.columns}, input_order)"

    def parameters(self, values: Iterable[ValueT]) -> dict[str, object]:
        """One array per written column, for a statement that reads from ``source``."""
        rows = list(values)
        return {name: [of(value) for value in rows] for name, of in self.write.items()}

    def values(self, result: Result[Any]) -> list[ValueT]:
        """The values of all rows of a result."""
        return [self.read(row) for row in named_rows(result)]

    def _array_type(self, name: str) -> str:
        kind = self.table.c[name].type
        if isinstance(kind, Numeric) and not isinstance(kind, Float):
            # Without its scale: a cast would round in silence what the column has no room for.
            return "NUMERIC[]"
        return f"{kind.compile(dialect=_DIALECT)}[]"
