"""Access tokens of identity providers as credentials."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jwt

from indexes.catalog.keys import Keys
from indexes.catalog.subjects import SIGN_IN, Subjects
from indexes.errors import NotAuthenticated
from indexes.model import Principal
from service.http.oidc.claims import groups_of, is_access_token, subject_of
from service.http.oidc.provider import Provider

REQUIRED = ("exp", "iss", "aud", "sub")
# PyJWT's own, and what its work on a hostile header or claim can end in
BAD_TOKEN = (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError)


class KeysAndTokens:
    """Accepts API keys, and the tokens of these providers."""

    def __init__(self, keys: Keys, subjects: Subjects, providers: Sequence[Provider]) -> None:
        self._keys = keys
        self._subjects = subjects
        self._providers = {each.settings.issuer: each for each in providers}

    def authenticate(self, credentials: str, /) -> Principal:
        """Raises NotAuthenticated, ProviderUnavailable, BadPrincipal."""
        if credentials.startswith("clr_") or not self._providers:
            return self._keys.authenticate(credentials)
        provider = self._find_provider(credentials)
        header, claims = verify(credentials, provider, provider.settings.audience)
        if not is_access_token(header, claims, provider.settings):
            raise NotAuthenticated()
        return find_person(self._subjects, provider, claims)

    def _find_provider(self, token: str) -> Provider:
        """Whose token it says it is. Nothing else of it is believed before it is verified."""
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
            return self._providers[claims["iss"]]
        except (*BAD_TOKEN, LookupError) as error:
            raise NotAuthenticated() from error


def verify(
    token: str, provider: Provider, audience: str
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims of a token that this provider signed for this audience, and that holds now.

    Raises NotAuthenticated, ProviderUnavailable.
    """
    settings = provider.settings
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in settings.algorithms:
            raise NotAuthenticated()
        claims = jwt.decode(
            token,
            provider.find_key(header.get("kid"), algorithm),
            algorithms=[algorithm],
            audience=audience,
            issuer=settings.issuer,
            leeway=settings.leeway_s,
            options={"require": list(REQUIRED)},
        )
    except BAD_TOKEN as error:
        raise NotAuthenticated() from error
    return header, claims


def find_person(subjects: Subjects, provider: Provider, claims: Mapping[str, Any]) -> Principal:
    """Whom verified claims mean, with the groups that they name. Raises NotAuthenticated."""
    settings, subject = provider.settings, subject_of(claims)
    groups = groups_of(claims, settings)
    person = (
        subjects.welcome(settings.issuer, subject, settings.name, by=SIGN_IN)
        if settings.new_people == "welcome"
        else subjects.find(settings.issuer, subject)
    )
    if person is None:
        raise NotAuthenticated()
    return replace(person, groups=groups.names, told_by=groups.told_by)
