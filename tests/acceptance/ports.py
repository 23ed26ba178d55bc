"""Ports of processes."""

import socket
from contextlib import ExitStack

from tests.support.ports import find_free_ports


def choose_ports(count: int) -> list[int]:
    """Return ports on loopback that nobody listens on, all different."""
    return find_free_ports(count)


def choose_row_of_ports(count: int) -> int:
    """Return the first of `count` consecutive ports below the system's own choices."""
    for first in range(20_000, 30_000, count):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")
