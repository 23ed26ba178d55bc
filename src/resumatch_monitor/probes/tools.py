"""What the kinds of probes share."""

import functools
import ssl
from collections.abc import Collection

import httpx

from resumatch_monitor.kit.clock import Clock


class ProbeTools:
    """The clock, the hosts that may be reached, and TLS contexts, which are dear to make."""

    def __init__(self, *, clock: Clock, allowed_hosts: Collection[str] = ()) -> None:
        self.clock = clock
        self.allowed_hosts = frozenset(allowed_hosts)
        self.ssl_context = functools.lru_cache(maxsize=2)(_build_ssl_context)


def _build_ssl_context(*, verify: bool) -> ssl.SSLContext:
    context = httpx.create_ssl_context(verify=verify)
    context.set_alpn_protocols(["http/1.1"])
    return context
