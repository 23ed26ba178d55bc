"""Keeps secrets out of what is said about a delivery."""

import base64
from collections.abc import Iterable
from urllib.parse import quote, unquote, urlsplit

_HIDDEN = "[hidden]"
_SHORTEST_SECRET = 4


class Redactor:
    """Replaces given secrets, in every form that a server may echo, in texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            forms.update(_forms(secret))
        # The longest first, or a part of one would keep the whole from being found.
        self._forms = sorted(
            (form for form in forms if len(form) >= _SHORTEST_SECRET), key=len, reverse=True
        )

    def clean(self, text: str) -> str:
        """Return `text` without the secrets."""
        for form in self._forms:
            text = text.replace(form, _HIDDEN)
        return text


def url_secrets(url: str) -> list[str]:
    """Return the parts of a URL that may be secret: everything but scheme, host and port."""
    parts = urlsplit(url)
    rest = url.split("://", 1)[-1].partition("/")[2]
    segments = [part for part in parts.path.split("/") if len(part) >= 8]
    found = [url, rest, parts.path, parts.query, parts.password or "", *segments]
    found.extend(value for pair in parts.query.split("&") for value in [pair.partition("=")[2]])
    return [each for each in found if each and each != "/"]


def login_secrets(username: str, password: str) -> list[str]:
    """Return a password and what it looks like in the dialogue with an SMTP server."""
    if not password:
        return []
    plain = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
    return [password, base64.b64encode(password.encode()).decode(), plain]


def mask_url(url: str) -> str:
    """Return the part of `url` that is no secret, e.g. `https://example.org/…`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "(not a valid address)"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}/…"


def mask_address(address: str) -> str:
    """Return an e-mail address that tells people apart and gives none away."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}…{at}{domain}" if at else "…"


def _forms(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), quote(secret), unquote(secret), repr(secret)[1:-1]}
