"""API keys: shown once, kept as a hash, checked at every request."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, DateTime, bindparam, insert, or_, select, update

from indexes.catalog.database import Database
from indexes.catalog.names import declared_id
from indexes.catalog.prepared import Prepared
from indexes.catalog.schema import api_keys, key_scopes, principals
from indexes.errors import BadInput, NotAuthenticated, NotFound
from indexes.model import Actor, Principal
from indexes.principals import user_name
from indexes.scopes import ASK, SCOPES

_FORM = re.compile(r"clr_([0-9a-z]{12})_([0-9A-Za-z_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key at the only moment when its secret is known."""

    id: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """A key as administrators see it."""

    id: str
    user: str
    label: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


_HOLDS = Prepared(  # every request asks it
    select(
        api_keys.c.secret_sha256,
        principals.c.name,
        api_keys.c.user_id,
        key_scopes.c.scope,
    )
    .join(principals, principals.c.id == api_keys.c.user_id)
    .outerjoin(key_scopes, key_scopes.c.key_id == api_keys.c.id)
    .where(
        api_keys.c.id == bindparam("key_id"),
        principals.c.known == 1,
        api_keys.c.revoked_at.is_(None),
        or_(
            api_keys.c.expires_at.is_(None),
            api_keys.c.expires_at > bindparam("now", type_=DateTime),
        ),
    )
)
"""A key that is neither revoked nor expired, of a user who is there: a row for each scope."""

_NO_KEY = (bytes(32), "", 0, None)


class Keys:
    """API keys of users. Only hashes of them are stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def issue(
        self,
        user: str,
        *,
        scopes: Iterable[str] = (ASK,),
        label: str = "",
        expires_at: datetime | None = None,
        by: Actor,
    ) -> IssuedKey:
        """A new key for a known user.

        Raises NotFound, and BadInput for a scope that does not exist, or for none.
        """
        wanted = _check_scopes(scopes)
        key_id = "".join(secrets.choice("0123456789abcdefghijklmnopqrstuvwxyz") for _ in range(12))
        secret = secrets.token_urlsafe(32)
        with self._database.writing(by) as connection:
            values = {
                "id": key_id,
                "secret_sha256": _digest(secret),  # 256 random bits need no slow hash
                "user_id": declared_id(connection, "user", user),
                "label": label,
                "created_at": datetime.now(UTC),
                "expires_at": expires_at,
            }
            connection.execute(insert(api_keys).values(values))
            connection.execute(
                insert(key_scopes), [{"key_id": key_id, "scope": scope} for scope in wanted]
            )
        return IssuedKey(key_id, f"clr_{key_id}_{secret}")

    def authenticate(self, secret: str | None) -> Principal:
        """Whose key it is.

        Raises NotAuthenticated: malformed, wrong, revoked, expired, or a removed user's.
        """
        match = _FORM.fullmatch(secret or "")
        if match is None:
            raise NotAuthenticated()
        asked = {"key_id": match[1], "now": datetime.now(UTC).replace(tzinfo=None)}
        with self._database.reading() as connection:
            found = _HOLDS.rows(connection, asked)
        stored, name, user_id, _ = found[0] if found else _NO_KEY
        if not hmac.compare_digest(stored, _digest(match[2])) or not found:
            raise NotAuthenticated()
        scopes = frozenset(scope for *_, scope in found if scope is not None)
        return Principal(name=name, id=user_id, key=match[1], scopes=scopes)

    def revoke(self, key_id: str, *, by: Actor) -> None:
        """From the next request on the key is refused. Raises NotFound."""
        revoked = (
            update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=datetime.now(UTC))
        )
        with self._database.writing(by) as connection:
            if connection.execute(revoked).rowcount == 0:
                raise NotFound(f"There is no key {key_id!a}.")

    def list(self, user: str | None = None) -> list[KeyInfo]:
        """Keys without their secrets, oldest first; of one user or of all."""
        wanted = (
            select(api_keys, principals.c.name)
            .join(principals)
            .order_by(api_keys.c.created_at, api_keys.c.id)
        )
        if user is not None:
            wanted = wanted.where(principals.c.name == user_name(user))
        with self._database.reading() as connection:
            scopes = _scopes_by_key(connection)
            return [
                KeyInfo(
                    id=row["id"],
                    user=row["name"],
                    label=row["label"],
                    scopes=tuple(scopes.get(row["id"], ())),
                    created_at=row["created_at"],
                    expires_at=row["expires_at"],
                    revoked_at=row["revoked_at"],
                )
                for row in connection.execute(wanted).mappings()
            ]


def _check_scopes(given: Iterable[str]) -> Collection[str]:
    """Raises BadInput."""
    wanted = sorted(set(given))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        what = f"There is no scope {', '.join(unknown)}." if unknown else "A key needs a scope."
        raise BadInput(what, remedy=f"Scopes: {', '.join(sorted(SCOPES))}.")
    return wanted


def _scopes_by_key(connection: Connection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    rows = connection.execute(select(key_scopes).order_by(key_scopes.c.scope))
    for key_id, scope in rows:
        found.setdefault(key_id, []).append(scope)
    return found


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
