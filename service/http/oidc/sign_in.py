"""The way of a person through the sign-in of a provider: authorization code with PKCE.

What has begun is remembered by the browser alone, sealed; what comes back must fit to it.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt

from indexes.catalog import Catalog
from indexes.catalog.subjects import SIGN_IN
from indexes.errors import BadConfiguration, NotAuthenticated, NotFound, ProviderUnavailable
from indexes.settings import Settings
from indexes.web_addresses import is_safe_address
from service.http.oidc.provider import Provider
from service.http.oidc.tokens import BAD_TOKEN, find_person, verify

BEGUN_S = 600  # for a person to sign in at the provider
LONGEST_S = 12 * 3600  # of a session, whatever its token says
CALLBACK = "/sign-in/callback"
_SEAL = "HS256"  # of what this service itself has sealed; no token of anybody else is read so


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and what it brings back."""

    address: str
    sealed: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that began."""

    secret: str
    seconds: int


class SignIn:
    """Sign-in and sign-out at every provider that knows the page. Threads may share it."""

    def __init__(self, settings: Settings, catalog: Catalog, providers: Sequence[Provider]) -> None:
        """Raises BadConfiguration."""
        self._catalog = catalog
        self._providers = {
            each.settings.name: each for each in providers if each.settings.client_id is not None
        }
        self._home = page_home(settings)
        self._key = hmac.digest(catalog.secret, b"sign-in", hashlib.sha256)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the providers that people can sign in at."""
        return tuple(self._providers)

    def begin(self, name: str) -> Begun:
        """Raises NotFound, ProviderUnavailable."""
        provider = self._providers.get(name)
        if provider is None:
            raise NotFound()
        verifier, state, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": provider.settings.client_id,
            "redirect_uri": self._home + CALLBACK,
            "scope": provider.settings.sign_in_scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        begun = {
            "provider": name,
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "exp": int(time.time()) + BEGUN_S,
        }
        address = _address(provider, "authorization_endpoint")
        return Begun(_with_query(address, asked), jwt.encode(begun, self._key, _SEAL))

    def finish(self, sealed: str, came_back: Mapping[str, str]) -> SignedIn:
        """came_back: what the provider sent the browser back with.

        Raises NotAuthenticated, ProviderUnavailable, BadPrincipal.
        """
        begun = self._open(sealed)
        provider = self._providers.get(begun["provider"])
        if provider is None or not _same(came_back.get("state"), begun["state"]):
            raise NotAuthenticated()
        if came_back.get("iss", provider.settings.issuer) != provider.settings.issuer:
            raise NotAuthenticated()
        id_token = self._exchange(provider, came_back.get("code", ""), begun["verifier"])
        claims = _verify_id_token(id_token, provider, begun["nonce"])
        who = find_person(self._catalog.subjects, provider, claims)
        seconds = max(0, min(int(claims["exp"]) - int(time.time()), LONGEST_S))
        ends = datetime.fromtimestamp(time.time() + seconds, UTC)
        secret = self._catalog.sessions.start(
            who, provider.settings.issuer, id_token, ends, by=SIGN_IN
        )
        return SignedIn(secret, seconds)

    def end(self, secret: str | None) -> str | None:
        """Ends the session. The address at which the person signs out of the provider, too.

        If None, there is none.
        """
        ended = self._catalog.sessions.end(secret, by=SIGN_IN) if secret else None
        if ended is None:
            return None
        for provider in self._providers.values():
            if provider.settings.issuer == ended.issuer:
                return self._address_of_sign_out(provider, ended.id_token)
        return None

    def _address_of_sign_out(self, provider: Provider, id_token: str) -> str | None:
        try:
            address = _address(provider, "end_session_endpoint")
        except ProviderUnavailable:
            return None
        said = {
            "id_token_hint": id_token,
            "post_logout_redirect_uri": f"{self._home}/",
            "client_id": provider.settings.client_id,
        }
        return _with_query(address, said)

    def _open(self, sealed: str) -> Mapping[str, Any]:
        wanted = {"require": ["exp", "provider", "state", "nonce", "verifier"]}
        try:
            return jwt.decode(sealed, self._key, algorithms=[_SEAL], options=wanted)  # type: ignore[arg-type]
        except BAD_TOKEN as error:
            raise NotAuthenticated() from error

    def _exchange(self, provider: Provider, code: str, verifier: str) -> str:
        """The ID token that the provider gives for the code."""
        settings = provider.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._home + CALLBACK,
            "client_id": settings.client_id or "",
            "code_verifier": verifier,
        }
        replied = provider.send_form(_address(provider, "token_endpoint"), form)
        token = replied.get("id_token") if isinstance(replied, dict) else None
        if not isinstance(token, str):
            raise NotAuthenticated()
        return token


def page_home(settings: Settings) -> str:
    """Where the page is, without a slash at the end; empty if nobody signs in on it.

    Raises BadConfiguration.
    """
    if all(each.client_id is None for each in settings.identity_providers):
        return ""
    home = (settings.public_url or "").rstrip("/")
    if not is_safe_address(home):
        raise BadConfiguration(
            "To sign in on the page it must be known where it is.",
            remedy="Set CLEARANCE_PUBLIC_URL to its https address.",
        )
    return home


def page_origin(settings: Settings) -> str | None:
    """Of the page, as browsers say it. If None, nobody signs in on it. Raises BadConfiguration."""
    home = urlsplit(page_home(settings).lower())
    usual_port = ":443" if home.scheme == "https" else ":80"
    return f"{home.scheme}://{home.netloc.removesuffix(usual_port)}" if home.netloc else None


def _verify_id_token(token: str, provider: Provider, nonce: str) -> Mapping[str, Any]:
    client_id = provider.settings.client_id or ""
    header, claims = verify(token, provider, client_id)
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    authorized = claims.get("azp", None if several else client_id)
    is_other_kind = str(header.get("typ", "JWT")).upper() != "JWT"
    if is_other_kind or authorized != client_id or not _same(claims.get("nonce"), nonce):
        raise NotAuthenticated()
    return claims


def _address(provider: Provider, name: str) -> str:
    """Of one of its services. Raises ProviderUnavailable if it has no safe one."""
    said = provider.published().metadata.get(name)
    if not isinstance(said, str) or not is_safe_address(said.partition("?")[0]):
        raise ProviderUnavailable(f"{provider.settings.issuer} names no safe {name}.")
    return said


def _with_query(address: str, said: Mapping[str, str | None]) -> str:
    more = urlencode({name: value for name, value in said.items() if value is not None})
    return f"{address}{'&' if '?' in address else '?'}{more}"


def _same(said: Any, wanted: str) -> bool:
    return isinstance(said, str) and hmac.compare_digest(said.encode(), wanted.encode())
