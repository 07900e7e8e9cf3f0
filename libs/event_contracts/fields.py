"""The field types of every contract: what they accept can be kept in the database and handled by every service.

No model uses a bare `str`, `int`, `float`, `dict` or unbounded `tuple`; a test walks all of them. The bounds are far
beyond what the platform's services write, and within what PostgreSQL's columns, its indexes and JSON readers keep.

Money is `Decimal` in Python and a JSON number on the wire. The smallest amount is a billionth of a dollar, because the
databases keep `numeric(18, 9)`. A JSON number is a binary float, whose last digits are noise: it is rounded to a
billionth when it is read. A `Decimal` with more digits is an error of the program that made it: round it with `usd()`.
"""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Final, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    JsonValue,
    PlainSerializer,
    Strict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import core_schema

MAX_IDENTIFIER: Final = 255
MAX_TEXT: Final = 10_000
MAX_LONG_TEXT: Final = 1_000_000
"""Characters of a prompt, a rubric or an essay: many times what a judge can read."""

MAX_ESSAYS_PER_BATCH: Final = 5_000
MAX_RESULTS_PER_BATCH: Final = 2 * MAX_ESSAYS_PER_BATCH
"""Essays in a batch's results: students' essays and anchors."""

MAX_JSON_DEPTH: Final = 32
MAX_JSON_VALUES: Final = 100_000
MAX_JSON_CHARACTERS: Final = 2_000_000
MAX_INTEGER: Final = 2**63 - 1
"""The largest that a database keeps and readers of JSON agree on as a whole number."""

MAX_COUNT: Final = 2**31 - 1
"""What PostgreSQL's `integer` columns keep."""

MONEY_LIMIT: Final = Decimal(1_000_000_000)
MIN_AMOUNT: Final = Decimal("0.000000001")
"""A billionth of a dollar: `numeric(18, 9)` keeps amounts below `MONEY_LIMIT` in these steps."""

LATEST_YEAR: Final = 9998
"""A year before the end of the calendar, so that a deadline can be added to any moment that was accepted."""

# Control characters, unusual spaces, invisible and unassigned ones: such an id could not be read aloud or typed.
_UNPRINTABLE: Final = (
    r"\x00-\x1f\x7f-\xa0\xad\u061c\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\ufeff\ufff0-\uffff"
)
NAME_PATTERN: Final = rf"^[^{_UNPRINTABLE}]+$"
# "." and ".." cannot be a segment of a path: clients resolve them away before they send a request.
IDENTIFIER_PATTERN: Final = rf"^(?:\.?[^./{_UNPRINTABLE}]|\.\.[^/{_UNPRINTABLE}])[^/{_UNPRINTABLE}]*$"
INVALID_IDENTIFIER: Final = (
    'must be an id: up to 255 printable characters, without "/", and neither "." nor ".."'
)
TEXT_PATTERN: Final = r"^[^\x00]*$"
URL_PATTERN: Final = r"^https?://[^\s/\x00-\x1f\x7f]+[^\s\x00-\x1f\x7f]*$"

_BROKEN: Final = re.compile("[\x00\ud800-\udfff]")


def usd(amount: Decimal) -> Decimal:
    """Round an amount to a billionth of a dollar, half to even: the smallest step that is kept."""
    return amount.quantize(MIN_AMOUNT, rounding=ROUND_HALF_EVEN).normalize()


def _without_noise(value: object) -> object:
    if not isinstance(value, float) or not math.isfinite(value) or abs(value) >= MONEY_LIMIT:
        return value
    rounded = usd(Decimal(repr(value)))
    if value > 0 and not rounded:
        raise ValueError(
            "is more than 0 and less than a billionth of a dollar, the smallest amount that is kept"
        )
    return rounded


def _exactly_kept(amount: Decimal) -> Decimal:
    if usd(amount) != amount or Decimal(repr(float(amount))) != amount:
        raise ValueError(
            "has more digits than are kept, a billionth of a dollar at the finest: round it with usd() first"
        )
    return amount


def _as_utc(moment: datetime) -> datetime:
    try:
        converted = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the calendar when it is expressed in UTC") from None
    if converted.year > LATEST_YEAR:
        raise ValueError(f"is after the year {LATEST_YEAR}")
    return converted


def _no_bare_numbers(value: object) -> object:
    if not isinstance(value, str | datetime) or (isinstance(value, str) and "T" not in value.upper()):
        raise ValueError("must be an ISO 8601 date and time with its offset, such as 2026-03-01T08:00:00Z")
    return value


def check_json(
    value: JsonValue,
    *,
    max_depth: int = MAX_JSON_DEPTH,
    max_values: int = MAX_JSON_VALUES,
    max_characters: int = MAX_JSON_CHARACTERS,
) -> None:
    """Raise `ValueError` for JSON that is too deep or too large, or that no database keeps.

    Takes time linear in the size of the value and does not recurse: it is made for hostile input.
    """
    values = characters = depth = 0
    level: Sequence[JsonValue] = [value]
    while level:
        depth += 1
        values += len(level)
        if values > max_values:
            raise ValueError(f"holds more than {max_values} values")
        below: list[JsonValue] = []
        for item in level:
            if isinstance(item, str):
                characters += _checked_length(item)
            elif isinstance(item, dict):
                characters += sum(_checked_length(key) for key in item)
                below += item.values()
            elif isinstance(item, list):
                below += item
            elif item is not None and item is not True and item is not False:
                _check_number(item)
        if below and depth > max_depth:
            raise ValueError(f"is nested more than {max_depth} levels deep")
        level = below
    if characters > max_characters:
        raise ValueError(f"holds more than {max_characters} characters of text")


def _checked_length(text: object) -> int:
    if not isinstance(text, str):
        raise ValueError("holds a non-string key")
    if "\x00" in text or not (text.isascii() or _BROKEN.search(text) is None):
        raise ValueError("holds a NUL character or a lone surrogate, which PostgreSQL cannot store")
    return len(text)


def _check_number(value: object) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("holds NaN or an infinity, which JSON cannot represent")
    elif not isinstance(value, int):
        raise ValueError(f"holds a {type(value).__name__}, which JSON has no form for")
    elif abs(value) > MAX_INTEGER:
        raise ValueError("holds a whole number outside 64 bits")


def _checked_object(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    check_json(value)
    return value


def is_identifier(text: str) -> bool:
    """True for a text that an `Identifier` may be."""
    return _is_valid(_IDENTIFIERS, text)


def is_name(text: str) -> bool:
    """True for a text that a `Name` may be, such as what a vendor calls its model."""
    return _is_valid(_NAMES, text)


def _is_valid(kind: TypeAdapter[str], text: str) -> bool:
    try:
        kind.validate_python(text)
    except ValidationError:
        return False
    return True


Identifier: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_IDENTIFIER, pattern=IDENTIFIER_PATTERN)
]
"""An id that is a key: 1 to 255 printable characters without "/", so that it fits an index and a URL's path."""

Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_IDENTIFIER, pattern=NAME_PATTERN)
]
"""1 to 255 printable characters: a model ("openai/gpt-5"), a provider, a user, an error code, an operation."""

_IDENTIFIERS: Final[TypeAdapter[str]] = TypeAdapter(Identifier)
_NAMES: Final[TypeAdapter[str]] = TypeAdapter(Name)

Text: TypeAlias = Annotated[str, StringConstraints(max_length=MAX_TEXT, pattern=TEXT_PATTERN)]
"""A message, a reason or a label: up to 10,000 characters of any kind but NUL and lone surrogates."""

LongText: TypeAlias = Annotated[str, StringConstraints(max_length=MAX_LONG_TEXT, pattern=TEXT_PATTERN)]
"""A prompt, a rubric or an essay: up to a million characters of any kind but NUL and lone surrogates."""

MAX_REGIONS: Final = 20
Region: TypeAlias = Annotated[str, StringConstraints(max_length=31, pattern=r"^[a-z][a-z0-9-]{0,30}$")]
"""Where a vendor processes what it is sent, such as eu, us or global."""

Url: TypeAlias = Annotated[str, StringConstraints(max_length=2048, pattern=URL_PATTERN)]
"""An http or https address."""

Money: TypeAlias = Annotated[
    Decimal,
    Field(ge=0, lt=MONEY_LIMIT, allow_inf_nan=False),
    BeforeValidator(_without_noise),
    AfterValidator(_exactly_kept),
    PlainSerializer(float, return_type=float, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": 0, "exclusiveMaximum": int(MONEY_LIMIT)}),
]
"""US dollars: 0, or a billionth up to less than a billion; see the module docstring for how they travel."""

UtcDatetime: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_no_bare_numbers), AfterValidator(_as_utc)]
"""A moment with its offset, kept in UTC; a naive one is refused, because guessing its zone would be a repair."""


def _object_schema(_source: object, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    """One walk by `check_json` instead of pydantic's own, which takes thirty times as long for each value."""
    free = core_schema.dict_schema(
        core_schema.str_schema(), core_schema.any_schema(), max_length=MAX_JSON_VALUES
    )
    return core_schema.no_info_after_validator_function(_checked_object, free)


JsonObject: TypeAlias = Annotated[dict[str, JsonValue], GetPydanticSchema(_object_schema)]
"""A free JSON object whose keys belong to its writer; bounded in depth, size and numbers by `check_json`."""

Int: TypeAlias = Annotated[int, Strict(), Field(ge=-MAX_COUNT, le=MAX_COUNT)]
Number: TypeAlias = Annotated[float, Strict(), Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
Flag: TypeAlias = Annotated[bool, Strict()]
Count: TypeAlias = Annotated[int, Strict(), Field(ge=0, le=MAX_COUNT)]
"""How many, for 32-bit columns."""

LargeCount: TypeAlias = Annotated[int, Strict(), Field(ge=0, le=MAX_INTEGER)]
"""How many, for 64-bit sums."""

Seconds: TypeAlias = Annotated[float, Strict(), Field(ge=0, le=1e9, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Strict(), Field(ge=0, le=1, allow_inf_nan=False)]
Sha256Hex: TypeAlias = Annotated[str, StringConstraints(max_length=64, pattern=r"^[0-9a-f]{64}$")]
