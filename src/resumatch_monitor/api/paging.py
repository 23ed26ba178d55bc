"""Pages of lists, as every route that lists things takes and gives them."""

from typing import Annotated

from fastapi import Query

from resumatch_monitor.api.errors import BadRequestError

DEFAULT_LIMIT = 50
_LARGEST_LIMIT = 200
_LONGEST_CURSOR = 400
_MOST_DIGITS = 18

Limit = Annotated[int, Query(ge=1, le=_LARGEST_LIMIT)]
"""The parameter `limit`."""
Cursor = Annotated[str | None, Query(max_length=_LONGEST_CURSOR)]
"""The parameter `cursor`; what it means, only the list knows that gave it out."""


class BadCursorError(BadRequestError):
    """The cursor was not given out by this list."""

    def __init__(self, message: str = "The cursor is not one that was given out.") -> None:
        super().__init__(message, code="bad_cursor")


def parse_number(text: str) -> int | None:
    """Return the number that `text` is, None if it is none or too long for an id."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else None


def parse_cursor(cursor: str | None) -> int | None:
    """Return the number that a cursor is; None for the first page.

    Raises:
        BadCursorError: If it is no number.
    """
    if not cursor:
        return None
    number = parse_number(cursor)
    if number is None:
        raise BadCursorError
    return number
