"""Ports for the servers of tests that run beside other tests."""

import random
import socket
from contextlib import ExitStack, suppress

# Below those that Linux gives to connections, from 32,768 on.
_FIRST, _LAST = 20_000, 32_000
_ATTEMPTS = 1_000


def find_free_ports(count: int) -> list[int]:
    """Return loopback ports that nobody listens on, all different.

    Between this and a server's start nobody else is given one of them by the system, as happens
    to a port that the system chose; and of another test's choices they hardly ever are one.
    """
    # Not the generator that hypothesis seeds: other processes would draw the same.
    rng = random.SystemRandom()
    found: list[int] = []
    with ExitStack() as stack:
        for _ in range(_ATTEMPTS):
            if len(found) == count:
                return found
            probe, port = stack.enter_context(socket.socket()), rng.randrange(_FIRST, _LAST)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
    raise AssertionError(f"there are no {count} free ports")


def find_free_port() -> int:
    """Return a loopback port that nobody listens on."""
    return find_free_ports(1)[0]
