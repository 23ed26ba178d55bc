"""Reads until when a certificate is valid, whether or not it is trusted.

`ssl` decodes certificates only after it has verified them, and one that has expired is the one
whose date is wanted.
"""

from datetime import UTC, datetime

_SEQUENCE = 0x30
_EXPLICIT_VERSION = 0xA0
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_LONG_FORM = 0x80


def read_expiry(der: bytes) -> datetime | None:
    """Return the `notAfter` of an X.509 certificate, or None if `der` is not one."""
    try:
        return _read_expiry(der)
    except (ValueError, IndexError):
        return None


def _read_expiry(der: bytes) -> datetime:
    # RFC 5280, 4.1: Certificate > TBSCertificate > [version], serialNumber, signature, issuer,
    # validity > notBefore, notAfter.
    certificate = _open_sequence(der)
    fields = _open_sequence(certificate)
    tag, _, rest = _take(fields)
    if tag == _EXPLICIT_VERSION:
        _, _, rest = _take(rest)
    _, _, rest = _take(rest)
    _, _, rest = _take(rest)
    validity = _open_sequence(rest)
    _, _, rest = _take(validity)
    tag, value, _ = _take(rest)
    return _parse_time(tag, value.decode("ascii"))


def _parse_time(tag: int, text: str) -> datetime:
    if tag == _GENERALIZED_TIME:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    if tag != _UTC_TIME:
        raise ValueError("not a time")
    moment = datetime.strptime(text, "%y%m%d%H%M%SZ").replace(tzinfo=UTC)
    # Two-digit years from 50 belong to the last century (RFC 5280, 4.1.2.5.1).
    century = 1900 if int(text[:2]) >= 50 else 2000
    return moment.replace(year=century + int(text[:2]))


def _open_sequence(data: bytes) -> bytes:
    tag, value, _ = _take(data)
    if tag != _SEQUENCE:
        raise ValueError("not a sequence")
    return value


def _take(data: bytes) -> tuple[int, bytes, bytes]:
    tag, length, start = data[0], data[1], 2
    if length & _LONG_FORM:
        count = length & ~_LONG_FORM
        length = int.from_bytes(data[2 : 2 + count], "big")
        start += count
    value = data[start : start + length]
    if len(value) != length:
        raise ValueError("cut short")
    return tag, value, data[start + length :]
