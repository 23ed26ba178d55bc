import errno
import socket
import ssl

import pytest

from resumatch_monitor.kit.http import AddressRefusedError
from resumatch_monitor.kit.network import (
    explain_connection_error,
    find_url_secrets,
    mask_dsn,
    mask_url,
    scrub,
)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://example.com/health", "https://example.com/health"),
        ("https://u:p@example.com:8443/a?key=hush&b#c", "https://example.com:8443/a?key=…&b=…"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("http://u:p@[::1/", "…"),
    ],
)
def test_urls_are_shown_without_what_may_be_secret(url: str, masked: str) -> None:
    assert mask_url(url) == masked


@pytest.mark.parametrize(
    ("dsn", "masked"),
    [
        ("postgresql://u:p@db:5432/app?sslmode=require", "postgresql://db:5432/app"),
        ("postgresql+asyncpg://u:p@db/app", "postgresql://db/app"),
        ("postgresql://u:p@/app?host=/run/pg&password=hush", "postgresql:///app?host=/run/pg"),
        ("redis://:p@cache:6379/0", "redis://cache:6379/0"),
        ("unix://:p@/run/redis.sock?db=1", "unix:///run/redis.sock"),
    ],
)
def test_dsns_are_shown_as_host_and_database(dsn: str, masked: str) -> None:
    assert mask_dsn(dsn) == masked


def test_secrets_are_found_as_written_and_decoded_and_taken_out() -> None:
    secrets = find_url_secrets("http://user:p%40ss@web/?token=tok%2Fen&host=web")

    assert secrets == {"p%40ss", "p@ss", "tok/en"}
    assert scrub("web said p@ss and tok/en, p%40ss", secrets) == "web said … and …, …"


def nested(inner: BaseException) -> BaseException:
    outer = RuntimeError("a library's own, with http://user:secret@host in it")
    outer.__cause__ = inner
    return ExceptionGroup("many", [outer])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection refused"),
        (ConnectionRefusedError(), "connection refused"),
        (ConnectionResetError(), "connection reset"),
        (socket.gaierror(-2, "x"), "the host name does not resolve"),
        (OSError(errno.EHOSTUNREACH, "x"), "no route to the host"),
        (ssl.SSLError(1, "x"), "TLS handshake failed"),
        (AddressRefusedError("not there"), "not there"),
        (ValueError("x"), None),
    ],
)
def test_errors_are_explained_in_words_of_our_own(error: BaseException, words: str | None) -> None:
    assert explain_connection_error(error) == words
    assert explain_connection_error(nested(error)) == words
