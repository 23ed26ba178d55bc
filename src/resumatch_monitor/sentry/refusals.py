"""Why the door lets somebody, or something of what they sent, not in."""

from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.sentry.categories import Category


class CategoriesFullError(SpoolFullError):
    """There is no room for some of what was sent; the rest of it was taken.

    Attributes:
        categories: What there is no room for; empty for everything.
    """

    def __init__(self, error: SpoolFullError, categories: tuple[Category, ...]) -> None:
        super().__init__(error.reason, str(error))
        self.categories = categories


class IntakeError(Exception):
    """The request is refused; `reason` is its label in the metrics."""

    reason = "malformed"


class MalformedError(IntakeError):
    """What was sent cannot be read."""


class UnknownProjectError(IntakeError):
    """There is no such project."""

    reason = "unknown_project"


class WrongKeyError(IntakeError):
    """The key is missing or belongs to another project."""

    reason = "wrong_key"


class DisabledKeyError(IntakeError):
    """The key is the project's, and lets nobody in any more."""

    reason = "disabled_key"


class ItemTooLargeError(IntakeError):
    """An item is larger than items of its kind may be."""

    reason = "too_large"
