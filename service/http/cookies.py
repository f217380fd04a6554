"""Cookies of the page, and whether a request comes from it.

A browser sends cookies along with requests that another site makes it send. So a session counts
only for what the page itself has sent.
"""

from collections.abc import Iterable, Sequence

from starlette.requests import cookie_parser

# a browser takes these only from this very host, over TLS, for all of its addresses
SESSION = "__Host-clearance"
SIGN_IN = "__Host-clearance-sign-in"  # what a sign-in that has begun must come back with
SIGNED_IN = "__Host-clearance-page"  # tells the page's code that there is a session; no secret
MAX_COOKIE_BYTES = 8_192

Headers = Iterable[tuple[bytes, bytes]]


class SessionSecret(str):
    """The secret of a session, which is no key and no token."""

    __slots__ = ()


def session_of(headers: Headers) -> SessionSecret | None:
    """If None, the browser has no session."""
    found = cookie_of(headers, SESSION)
    return None if found is None else SessionSecret(found)


def cookie_of(headers: Headers, name: str) -> str | None:
    """The value of a cookie. If None, it is not there, or twice."""
    sent = b"; ".join(value for header, value in headers if header == b"cookie")
    if len(sent) > MAX_COOKIE_BYTES or sent.count(name.encode() + b"=") != 1:
        return None
    return cookie_parser(str(sent, "latin-1")).get(name) or None


def comes_from_the_page(headers: Headers, origin: str) -> bool:
    """Whether the browser says that the page made this request, and not a person who opened an
    address, another site, or no browser at all.
    """
    sent = list(headers)
    sites = [value for name, value in sent if name == b"sec-fetch-site"]
    origins = [value for name, value in sent if name == b"origin"]
    return sites == [b"same-origin"] and origins in ([], [origin.encode()])


def make_cookie(name: str, value: str, *, seconds: int, more: Sequence[str]) -> str:
    """A header Set-Cookie; no seconds: the browser forgets the cookie."""
    return "; ".join([f"{name}={value}", "Path=/", "Secure", f"Max-Age={seconds}", *more])
