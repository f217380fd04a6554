"""What a verified token says of a person."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from indexes.catalog.access import MAX_TOKEN_GROUPS
from indexes.catalog.subjects import MAX_SUBJECT_CHARS
from indexes.errors import BadPrincipal, NotAuthenticated
from indexes.principals import external_prefix
from indexes.settings import IdentityProvider

_ONLY_IN_OTHERS = ("nonce", "at_hash", "c_hash", "events")
"""Claims of ID tokens and of messages about a sign-out; no access token has them."""


@dataclass(frozen=True, slots=True)
class TokenGroups:
    """Groups that a token names, as the catalog calls them."""

    names: frozenset[str]
    told_by: str | None  # the provider, if there are no more


def subject_of(claims: Mapping[str, Any]) -> str:
    """Raises NotAuthenticated."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_CHARS:
        raise NotAuthenticated()
    return subject


def groups_of(claims: Mapping[str, Any], provider: IdentityProvider) -> TokenGroups:
    """Raises BadPrincipal if there are too many: to cut them could drop a deny."""
    wanted = provider.groups_claim
    said = claims.get(wanted) if wanted else None
    if not isinstance(said, list) or not all(isinstance(each, str) for each in said):
        return TokenGroups(frozenset(), None)
    if len(said) > MAX_TOKEN_GROUPS:
        raise BadPrincipal(
            f"The token names {len(said)} groups; at most {MAX_TOKEN_GROUPS} are accepted."
        )
    prefix = external_prefix(provider.name)
    names = frozenset(prefix + unicodedata.normalize("NFC", each) for each in said)
    return TokenGroups(names, None if _tells_of_more(claims, wanted) else provider.name)


def is_access_token(
    header: Mapping[str, Any], claims: Mapping[str, Any], provider: IdentityProvider
) -> bool:
    """Whether it was made for a service to read, and not for the page or for a sign-out."""
    kind = str(header.get("typ", "JWT")).lower().removeprefix("application/")
    if kind == "at+jwt":
        return True
    others = any(name in claims for name in _ONLY_IN_OTHERS) or claims.get("typ") == "ID"
    return provider.access_tokens == "unmarked" and kind == "jwt" and not others


def _tells_of_more(claims: Mapping[str, Any], wanted: str | None) -> bool:
    """Whether the provider left groups out, since there were too many for the token."""
    elsewhere = claims.get("_claim_names")
    return bool(claims.get("hasgroups")) or (
        elsewhere is not None and (not isinstance(elsewhere, dict) or wanted in elsewhere)
    )
