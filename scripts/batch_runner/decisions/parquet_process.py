"""The process that reads a Parquet file for ``tables``: its rows as one JSON document, the columns' names first."""

import json
import sys

from arro3.io import read_parquet


def rows(path: str, most: int) -> list[list[object]]:
    """The names of the columns, and one row more than ``most`` at most."""
    whole = read_parquet(path).read_all()
    table = whole.slice(0, min(most + 1, whole.num_rows))
    columns = [[_plain(value) for value in table.column(name).to_pylist()] for name in table.column_names]
    return [list(table.column_names), *map(list, zip(*columns, strict=True))]


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, str | int | float) else str(value)


if __name__ == "__main__":
    json.dump(rows(sys.argv[1], int(sys.argv[2])), sys.stdout)
