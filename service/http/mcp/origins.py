"""Which pages may use the address for assistants.

A program says no origin. A browser says it with every POST, so a page that got to this address by
another name (DNS rebinding) shows itself.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import Request

from indexes.errors import ForeignOrigin

_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


def check_origin(request: Request, public_url: str | None, others: Collection[str] = ()) -> None:
    """Raises ForeignOrigin for a page that is neither of the service's own address nor, if the
    settings name none, of this machine. others: origins whose pages may use the service, too.
    """
    said = request.headers.getlist("origin")
    if said and not (len(said) == 1 and (said[0] in others or _is_ours(said[0], public_url))):
        raise ForeignOrigin


def _is_ours(origin: str, public_url: str | None) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if public_url is not None:
        ours = urlsplit(public_url)
        return (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc)
    return parts.scheme in ("http", "https") and parts.hostname in _THIS_MACHINE
