"""An HTTP client for requests to addresses that a person configured.

It refuses link-local and cloud-metadata addresses unless the host is allowed by name, checks the
address that it really connects to (so a DNS answer that changes in between gains nothing),
follows a bounded number of redirects, and always has time-outs.
"""

import ipaddress
import logging
import socket
import ssl
import time
from collections.abc import Callable, Collection, Iterable
from typing import cast

import anyio
import httpcore
import httpx

from resumatch_monitor import __version__

USER_AGENT = f"ResuMatchMonitor/{__version__}"
_LONGEST_REDIRECT_CHAIN = 5

_METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google
        "168.63.129.16",  # Azure
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
    )
)
# https://www.rfc-editor.org/rfc/rfc6052: a gateway passes these on to the IPv4 address at the end.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefusedError(httpx.ConnectError):
    """The host resolves to an address that outgoing requests may not reach."""


def is_refused_address(text: str) -> bool:
    """Tell whether `text` is a link-local, metadata, multicast or unspecified address."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        address = _find_embedded(address) or address
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in _METADATA_ADDRESSES
    )


def _find_embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


async def resolve_all_allowed(
    host: str, port: int, *, allowed_hosts: Collection[str] = ()
) -> list[str]:
    """Return the addresses of `host` in the order in which they should be tried.

    Raises:
        AddressRefusedError: If any of its addresses may not be reached and `host` is not
            in `allowed_hosts`.
        OSError: If the name does not resolve.
    """
    answers = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    if host not in allowed_hosts:
        for address in addresses:
            if is_refused_address(address):
                raise AddressRefusedError(
                    f"{host} resolves to {address}, which outgoing requests may not reach;"
                    " list the host under outgoing.allowed_hosts to permit it"
                )
    return addresses


async def resolve_allowed(host: str, port: int, *, allowed_hosts: Collection[str] = ()) -> str:
    """Return the first address of `host`; raises as `resolve_all_allowed` does."""
    return (await resolve_all_allowed(host, port, allowed_hosts=allowed_hosts))[0]


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections only to addresses that pass the guard, trying each that the host has.

    `on_phase` hears how many seconds `resolve` and `connect` took.
    """

    def __init__(
        self,
        allowed_hosts: Collection[str],
        *,
        on_phase: Callable[[str, float], None] | None = None,
    ) -> None:
        self._allowed_hosts = frozenset(allowed_hosts)
        self._on_phase = on_phase or _ignore_phase
        self._backend: httpcore.AsyncNetworkBackend = cast(
            "httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend()
        )

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's own parameter
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        started = time.monotonic()
        try:
            with anyio.fail_after(timeout):
                addresses = await resolve_all_allowed(host, port, allowed_hosts=self._allowed_hosts)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"resolving {host} took too long") from error
        except OSError as error:
            raise httpcore.ConnectError(f"{host} does not resolve: {error}") from error
        resolved = time.monotonic()
        self._on_phase("resolve", resolved - started)
        for count_left in range(len(addresses), 0, -1):
            # An address that swallows packets must leave time for the ones behind it.
            share = None if timeout is None else timeout / count_left
            try:
                stream = await self._backend.connect_tcp(
                    addresses[-count_left], port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if count_left == 1:
                    raise
            else:
                self._on_phase("connect", time.monotonic() - resolved)
                return stream
        raise httpcore.ConnectError(f"{host} has no address")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


def _ignore_phase(_phase: str, _seconds: float) -> None:
    return


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport on top of the guarded network backend."""

    def __init__(
        self, *, allowed_hosts: Collection[str] = (), verify: bool | ssl.SSLContext = True
    ) -> None:
        super().__init__(verify=verify)
        is_context = isinstance(verify, ssl.SSLContext)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=verify if is_context else httpx.create_ssl_context(verify=verify),
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=30.0,
            network_backend=GuardedBackend(allowed_hosts),
        )


class _HideAddresses(logging.Filter):
    """Cuts the addresses in httpx's own log down to their origin: the rest may be a secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                f"{each.scheme}://{each.netloc.decode('ascii', 'replace')}/…"
                if isinstance(each, httpx.URL)
                else each
                for each in record.args
            )
        return True


_HIDE_ADDRESSES = _HideAddresses()


def build_client(
    *,
    allowed_hosts: Collection[str] = (),
    timeout_seconds: float = 10.0,
    verify: bool | ssl.SSLContext = True,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """Return a client over the guarded transport, or over `transport` in tests.

    The environment's proxies are not used: a proxy would make the address check worthless.
    """
    # Adding the same filter again changes nothing.
    logging.getLogger("httpx").addFilter(_HIDE_ADDRESSES)
    return httpx.AsyncClient(
        transport=transport or GuardedTransport(allowed_hosts=allowed_hosts, verify=verify),
        timeout=timeout_seconds,
        follow_redirects=False,
        max_redirects=_LONGEST_REDIRECT_CHAIN,
        headers={"User-Agent": USER_AGENT},
        trust_env=False,
    )
