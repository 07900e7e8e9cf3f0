"""Where a page of a list begins: what the page before it said."""

from typing import Final

NOT_A_CURSOR: Final = "cursor must be the next_cursor from the previous page"
