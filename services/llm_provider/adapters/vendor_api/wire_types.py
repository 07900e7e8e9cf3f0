"""Kinds of values that several vendors send."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

_ID: Final = re.compile(r"[!-~]{1,200}")

Tokens = Annotated[int, BeforeValidator(lambda count: 0 if count is None else count), Field(ge=0, lt=2**31)]
"""A count of tokens; a detail that is null or left out counts nothing, and no call has billions of them."""

CallId = Annotated[str | None, AfterValidator(lambda sent: sent if sent and _ID.fullmatch(sent) else None)]
"""A vendor's id of a call; what could not be written into a log or a database is none."""
