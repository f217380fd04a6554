"""Addresses that secrets or keys may be fetched from, and origins of pages."""

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


def is_web_origin(given: str) -> bool:
    """Whether this is the origin of a page, to the letter as browsers send it."""
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname or "*" in given:
        return False
    usual = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return port != usual and given == f"{parts.scheme}://{host}{f':{port}' if port else ''}"
