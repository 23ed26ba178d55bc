"""A secret that the monitor makes for itself and keeps beside its data."""

import os
from pathlib import Path

from resumatch_monitor.kit.ids import Ids

_NAME = "links.key"


def read_secret(folder: Path, ids: Ids) -> bytes:
    """Return the secret in `folder`; at the first time, make one that outlives a power cut.

    Raises:
        OSError: If the folder cannot be used.
    """
    path = folder / _NAME
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        secret = b""
    return secret or _make(path, ids.token().encode())


def _make(path: Path, secret: bytes) -> bytes:
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, secret)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return secret
