"""A count of tokens as vendors send it: a detail that is null or left out counts nothing."""

from typing import Annotated

from pydantic import BeforeValidator, Field

Tokens = Annotated[int, BeforeValidator(lambda count: 0 if count is None else count), Field(ge=0)]
