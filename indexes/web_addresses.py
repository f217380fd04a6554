"""Addresses that secrets or keys may be fetched from."""

import ipaddress
from urllib.parse import urlsplit


def is_safe_address(address: str) -> bool:
    """Whether it is https, or http on this machine, with neither a query nor a password in it."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    if not parts.hostname or port == 0 or parts.query or parts.fragment or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname))


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
