"""Pages of other origins that may use the service with a bearer key: those that the settings name.

Browsers ask before they send such a request; that is answered without a key. A cookie is never
taken from another origin: the reply does not allow credentials, and a session counts only for what
the page itself has sent (`cookies`).
"""

from collections.abc import Collection

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
SHOWN = (
    "Allow",
    "Clearance-Position",
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)
"""Headers of replies that code of such a page may read."""
REMEMBERED_S = 600  # what a browser was told about an address


def allow_origins(origins: Collection[str]) -> list[Middleware]:
    """What stands around the gate; nothing if there are no such origins.

    Clients send headers of their own, so any header may come: none of them gives a right but
    `Authorization`, which code of the page must know to send.
    """
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=tuple(origins),
            allow_methods=METHODS,
            allow_headers=("*",),
            allow_credentials=False,
            expose_headers=SHOWN,
            max_age=REMEMBERED_S,
        )
    ]
