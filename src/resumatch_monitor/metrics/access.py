"""Credentials and TLS for requests, read anew from their files when those change."""

import asyncio
import base64
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from resumatch_monitor.metrics.http_config import HTTPClientConfig, TLSConfig

BuildClient = Callable[[ssl.SSLContext], httpx.AsyncClient]
"""Makes a client that speaks TLS as a context says."""

_LARGEST_SECRET_BYTES = 64 * 1024
_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}

_Stamp = tuple[tuple[int, int], ...]


class AccessError(Exception):
    """Credentials or certificates cannot be had; the message says why and holds no secret."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one request needs.

    Attributes:
        headers: The credentials.
        extensions: For httpx: the name that the certificate must have.
        secrets: What must not be shown, although an answer may echo it.
    """

    client: httpx.AsyncClient
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    extensions: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: frozenset[str] = frozenset()


class AccessProvider:
    """Gives access by one configuration; certificates that are renewed make a new client."""

    def __init__(
        self,
        config: HTTPClientConfig,
        client: httpx.AsyncClient,
        build_client: BuildClient | None = None,
    ) -> None:
        """Keep what is needed.

        Args:
            config: Credentials and TLS.
            client: Used where nothing is said of TLS; it stays the caller's.
            build_client: Makes clients for `tls_config`.
        """
        self._config = config
        self._shared = client
        self._build_client = build_client
        self._own: httpx.AsyncClient | None = None
        self._retired: httpx.AsyncClient | None = None
        self._stamp: _Stamp = ()
        self._lock = asyncio.Lock()

    async def get(self) -> Access:
        """Return what a request needs now.

        Raises:
            AccessError: If a file cannot be read or is no certificate.
        """
        client = await self._get_client()
        tls = self._config.tls_config
        extensions = {"sni_hostname": tls.server_name} if tls and tls.server_name else {}
        value, secrets = await self._authorize()
        headers = {"Authorization": value} if value else {}
        return Access(client, headers, extensions, frozenset(secrets))

    async def aclose(self) -> None:
        """Close the clients made here."""
        for client in (self._own, self._retired):
            if client is not None:
                await client.aclose()
        self._own = self._retired = None

    async def _authorize(self) -> tuple[str, set[str]]:
        config = self._config
        if config.basic_auth is not None:
            basic = config.basic_auth
            name = await _read(basic.username_file, "username_file") or basic.username
            password = (
                await _read(basic.password_file, "password_file")
                or basic.password.get_secret_value()
            )
            pair = base64.b64encode(f"{name}:{password}".encode()).decode()
            return f"Basic {pair}", {password, pair}
        scheme, secret, path = "Bearer", config.bearer_token, config.bearer_token_file
        key = "bearer_token_file"
        if config.authorization is not None:
            scheme, secret = config.authorization.type, config.authorization.credentials
            path, key = config.authorization.credentials_file, "credentials_file"
        credentials = await _read(path, key) or (secret.get_secret_value() if secret else "")
        return (f"{scheme} {credentials}", {credentials}) if credentials else ("", set())

    async def _get_client(self) -> httpx.AsyncClient:
        tls = self._config.tls_config
        if tls is None:
            return self._shared
        if self._build_client is None:
            raise AccessError("tls_config: there is nothing here that could speak it")
        async with self._lock:
            stamp = await asyncio.to_thread(_stamp, tls)
            if self._own is None or stamp != self._stamp:
                context = await asyncio.to_thread(build_context, tls)
                # Requests under way finish on the client that they began on.
                if self._retired is not None:
                    await self._retired.aclose()
                self._retired, self._own = self._own, self._build_client(context)
                self._stamp = stamp
            return self._own


def build_context(tls: TLSConfig) -> ssl.SSLContext:
    """Return what `tls_config` says, as Python's `ssl` wants it; blocks.

    Raises:
        AccessError: If a file cannot be read or is no certificate.
    """
    place = "tls_config.ca_file"
    try:
        context = ssl.create_default_context(cafile=tls.ca_file, cadata=tls.ca or None)
        place = "tls_config.cert_file"
        if tls.cert_file is not None:
            # An encrypted key must not ask for its password on the terminal.
            context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")
    except ssl.SSLError as error:
        raise AccessError(f"{place}: {error.reason or 'not a PEM file that can be used'}") from None
    except (OSError, ValueError) as error:
        raise AccessError(f"{place}: {_explain(error)}") from None
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.min_version is not None:
        context.minimum_version = _VERSIONS[tls.min_version]
    if tls.max_version is not None:
        context.maximum_version = _VERSIONS[tls.max_version]
    return context


def _stamp(tls: TLSConfig) -> _Stamp:
    found: list[tuple[int, int]] = []
    for path in (tls.ca_file, tls.cert_file, tls.key_file):
        if path is not None:
            try:
                status = path.stat()
            except OSError:
                found.append((0, -1))
            else:
                found.append((status.st_mtime_ns, status.st_size))
    return tuple(found)


async def _read(path: Path | None, key: str) -> str:
    return "" if path is None else await asyncio.to_thread(_read_now, path, key)


def _read_now(path: Path, key: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_SECRET_BYTES + 1)
        text = raw.decode().strip()
    except OSError as error:
        raise AccessError(f"{key}: {_explain(error)}") from None
    except UnicodeDecodeError:
        raise AccessError(f"{key}: the file is not UTF-8") from None
    if len(raw) > _LARGEST_SECRET_BYTES or not text.isprintable():
        raise AccessError(f"{key}: the file holds more than one line or is too large")
    if not text:
        raise AccessError(f"{key}: the file is empty")
    return text


def _explain(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
