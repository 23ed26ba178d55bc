"""Errors that the edge tells people about in its own words, whichever part raises them."""


class StorageUnavailableError(Exception):
    """A store cannot write at the moment; the same call may succeed later.

    The message says why, without secrets.
    """
