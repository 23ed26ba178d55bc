"""Checks of the addresses in the integrations' configuration; no message shows the address."""

import re
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import getaddresses, parseaddr
from urllib.parse import urlsplit

from pydantic import SecretStr

_ADDRESS = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")


def check_url(url: SecretStr) -> SecretStr:
    """Return `url` if a message can be posted to it.

    Raises:
        ValueError: If it is not an http or https URL with a host.
    """
    text = url.get_secret_value()
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_good = False
    if not is_good or any(char.isspace() for char in text):
        raise ValueError("must be an http:// or https:// URL; it is not shown, as it is a secret")
    return url


def check_base_url(text: str) -> str:
    """Return `text`, without a slash at its end, if paths can be added to it.

    Raises:
        ValueError: If it is not an http or https URL of a host, or holds more than a path.
    """
    check_url(SecretStr(text))
    parts = urlsplit(text)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            "must be an http:// or https:// URL without a login, a query or a fragment"
        )
    return text.rstrip("/")


def check_address(text: str) -> str:
    """Return `text` if it is one e-mail address, with or without a display name.

    Raises:
        ValueError: If it is not.
    """
    is_single = len(getaddresses([text])) == 1 and text.isprintable()
    if not is_single or not _ADDRESS.fullmatch(bare_address(text)):
        raise ValueError(f"{text!r} is not an e-mail address")
    return text


def bare_address(text: str) -> str:
    """Return the address in `Name <address>`."""
    return parseaddr(text)[1]


def to_header(text: str) -> Address:
    """Return what `email` puts into a header for an address with or without a display name."""
    name, address = parseaddr(text)
    local, _, domain = address.rpartition("@")
    try:
        return Address(display_name=name, username=local, domain=domain)
    except (MessageError, ValueError, IndexError):
        return Address(addr_spec=address)
