"""The folder of a monitor's data, which one process at a time may use."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

DATABASE_NAME = "monitor.sqlite3"


class AlreadyRunningError(Exception):
    """Another monitor uses the folder."""


@contextmanager
def lock_folder(data: Path) -> Generator[None]:
    """Make the folder if it is not there, and keep other monitors from it.

    Meanwhile the process makes files that only its own user can read.

    Raises:
        AlreadyRunningError: If another monitor uses it.
        OSError: If it cannot be used.
    """
    previous_mask = os.umask(0o077)
    try:
        with _locked(data):
            yield
    finally:
        os.umask(previous_mask)


@contextmanager
def _locked(data: Path) -> Generator[None]:
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(f"Another monitor is running on {data}.") from None
        yield
    finally:
        os.close(lock)
