"""Connections in words: where to, without secrets, and why not."""

import errno
import socket
import ssl
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from resumatch_monitor.kit.http import AddressRefusedError

MASK = "…"

_LONGEST_CHAIN = 10
_SHORTEST_SECRET = 3
_BY_ERRNO = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.ETIMEDOUT: "connection timed out",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "no route to the network",
    errno.ENOENT: "connection refused: there is no such socket",
    errno.EACCES: "not permitted to open the socket",
    errno.EPERM: "not permitted to open the socket",
    errno.EMFILE: "the monitor has too many open files",
    errno.ENFILE: "this machine has too many open files",
    errno.EADDRNOTAVAIL: "no local address or port left to connect from",
}
# OpenSSL's X509_V_ERR_* codes.
CERTIFICATE_EXPIRED = 10
_BY_VERIFY_CODE = {
    9: "certificate is not valid yet",
    CERTIFICATE_EXPIRED: "certificate expired",
    18: "certificate is self-signed",
    19: "certificate is self-signed",
    20: "certificate's issuer is not trusted",
    21: "certificate's issuer is not trusted",
    62: "certificate is for another host name",
    64: "certificate is for another address",
}


def walk_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and what caused it, outermost first, groups flattened."""
    waiting: list[BaseException | None] = [error]
    for _ in range(_LONGEST_CHAIN):
        current = waiting.pop(0) if waiting else None
        if current is None:
            return
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions)  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]
        elif current.__cause__ is not None or current.__context__ is not None:
            waiting.append(current.__cause__ or current.__context__)


def explain_connection_error(error: BaseException) -> str | None:
    """Return why a connection failed in a few words, or None if `error` is something else.

    The text is our own: messages of libraries may quote addresses with credentials in them.
    """
    for cause in walk_causes(error):
        if isinstance(cause, AddressRefusedError):
            return str(cause)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _BY_VERIFY_CODE.get(cause.verify_code, "certificate is not trusted")
        if isinstance(cause, ssl.SSLError):
            return "TLS handshake failed"
        if isinstance(cause, socket.gaierror):
            return "the host name does not resolve"
        if isinstance(cause, OSError) and cause.errno in _BY_ERRNO:
            return _BY_ERRNO[cause.errno]
        if isinstance(cause, ConnectionRefusedError):
            return _BY_ERRNO[errno.ECONNREFUSED]
        if isinstance(cause, (ConnectionResetError, BrokenPipeError)):
            return _BY_ERRNO[errno.ECONNRESET]
    return None


def find_verify_code(error: BaseException) -> int | None:
    """Return OpenSSL's code of the certificate check that failed, if that is what happened."""
    for cause in walk_causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_code
    return None


def mask_url(url: str) -> str:
    """Render `url` without user, password, fragment and the values of its query."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return MASK
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    query = "&".join(f"{name}={MASK}" for name in names)
    return f"{parts.scheme}://{host}{parts.path}" + (f"?{query}" if query else "")


def mask_dsn(dsn: str) -> str:
    """Render a PostgreSQL or Redis URL as scheme, host, port and database alone."""
    try:
        parts = urlsplit(dsn)
        host = parts.netloc.rpartition("@")[2]
        options = dict(parse_qsl(parts.query))
    except ValueError:
        return MASK
    scheme = parts.scheme.partition("+")[0] or MASK
    if not host and options.get("host"):
        return f"{scheme}://{parts.path}?host={options['host']}"
    return f"{scheme}://{host}{parts.path}"


def find_url_secrets(url: str) -> set[str]:
    """Return the password and the query's values in `url`, as written and decoded."""
    try:
        parts = urlsplit(url)
        credentials = parts.netloc.rpartition("@")[0]
    except ValueError:
        return {url}
    _, colon, password = credentials.partition(":")
    secrets = {password, unquote(password)} if colon else {credentials}
    for name, value in parse_qsl(parts.query):
        if name not in {"host", "port", "sslmode", "db", "dbname"}:
            secrets |= {value}
    return {secret for secret in secrets if secret}


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Replace each of `secrets` in `text`; one or two characters are no secret worth the harm."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    return text
