"""IP addresses of people, made those of many people."""

import ipaddress
from typing import Literal

_V4_BITS = 24
_V6_BITS = 48


def anonymise_address(text: str) -> str:
    """Return the network that an address lies in (/24, /48), as its first address.

    What is no address becomes an empty text.
    """
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    bits = _V4_BITS if address.version == 4 else _V6_BITS
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False).network_address)


def present_address(text: str, how: Literal["keep", "anonymise", "drop"]) -> str:
    """Return what of an address may be kept; empty if nothing, or if it is none."""
    anonymised = anonymise_address(text)
    if how == "drop" or not anonymised:
        return ""
    return anonymised if how == "anonymise" else text.strip()
