"""IP addresses of people, made those of many people."""

import ipaddress
from typing import Any, Literal

from resumatch_monitor.sentry.values import as_dict, as_text, is_dict

AddressUse = Literal["keep", "anonymise", "drop"]
"""What becomes of users' addresses."""
_AUTO = "{{auto}}"
_LIST_MAX = 20
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


def present_address(text: str, how: AddressUse) -> str:
    """Return what of an address may be kept; empty if nothing, or if it is none."""
    anonymised = anonymise_address(text)
    if how == "drop" or not anonymised:
        return ""
    return anonymised if how == "anonymise" else text.strip()


def present_addresses(text: str, how: AddressUse) -> str:
    """Return what of a list of addresses may be kept; empty if one of them is none."""
    parts = [present_address(part, how) for part in text.split(",")[:_LIST_MAX]]
    return ", ".join(parts) if all(parts) else ""


def place_address(event: dict[str, Any], client_address: str) -> dict[str, Any]:
    """Return an event in which the address stands that its SDK leaves to the server to find.

    Args:
        event: As it was sent; it is not changed.
        client_address: Where it came from, as far as that may be kept; possibly empty.
    """
    user = as_dict(event.get("user"))
    stated = as_text(user.get("ip_address"))
    infers = as_text(as_dict(as_dict(event.get("sdk")).get("settings")).get("infer_ip"))
    if stated != _AUTO and (stated or infers != "auto"):
        return event
    if event.get("user") is not None and not is_dict(event["user"]):
        return event
    placed = {key: value for key, value in user.items() if key != "ip_address"}
    if client_address:
        placed["ip_address"] = client_address
    return {**event, "user": placed} if placed or "user" in event else event
