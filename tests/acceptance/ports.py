"""Ports that the system chooses."""

import socket
from contextlib import ExitStack


def choose_ports(count: int) -> list[int]:
    """Return ports on loopback that nobody listens on, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
