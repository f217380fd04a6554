"""API keys: shown once, kept as a hash, checked at every request."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    Connection,
    DateTime,
    RowMapping,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from indexes.catalog.access import held_scopes
from indexes.catalog.audit.changes import record_change
from indexes.catalog.database import Database
from indexes.catalog.names import declared_id
from indexes.catalog.prepared import Prepared
from indexes.catalog.schema import api_keys, key_scopes, principals
from indexes.errors import BadInput, NotAuthenticated, NotFound, NotPermitted
from indexes.model import Actor, Principal
from indexes.principals import user_name
from indexes.scopes import ACT_AS, ASK, SCOPES, includes

MAX_LABEL_CHARS = 255
USE_IS_WRITTEN_EVERY = timedelta(minutes=10)  # of one key
_FORM = re.compile(r"clr_([0-9a-z]{12})_([0-9A-Za-z_-]{43})", re.ASCII)
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


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
    used_at: datetime | None  # about; None: not since uses are noted
    replaced_by: str | None  # the key that a rotation made for it

    def state(self, now: datetime) -> str:
        """revoked, expired or valid."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


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
        self._uses: dict[str, datetime] = {}  # by key, when it was used last
        self._written: dict[str, datetime] = {}  # by key, the use that was written last

    # --- making and ending ----------------------------------------------------------------------

    def issue(
        self,
        user: str,
        *,
        scopes: Iterable[str] = (ASK,),
        label: str = "",
        expires_at: datetime | None = None,
        by: Actor,
        giver: Principal | None = None,
    ) -> IssuedKey:
        """A new key for a known user.

        giver: who gives it, and so gives no scope that it does not hold. If None, the operator.
        Raises NotFound, NotPermitted, and BadInput for a scope that does not exist, or for none.
        """
        wanted = _check_scopes(scopes)
        if len(label) > MAX_LABEL_CHARS:
            raise BadInput(f"A label has at most {MAX_LABEL_CHARS} characters.")
        with self._database.writing(by) as connection:
            _check_giver(connection, giver, wanted)
            user_id = declared_id(connection, "user", user)
            made = _add_key(connection, user_id, label, wanted, expires_at)
            told = {"user": user_name(user), "label": label, "scopes": list(wanted)}
            until = None if expires_at is None else expires_at.isoformat()
            record_change(connection, "key.issued", made.id, after={**told, "expires_at": until})
        return made

    def rotate(
        self, key_id: str, *, overlap: timedelta, by: Actor, giver: Principal | None = None
    ) -> IssuedKey:
        """A new key for the same user, with the same scopes, for as long as the old one was made
        for. The old one holds for the overlap, at most.

        giver: as for `issue`. Raises NotFound, NotPermitted, and BadInput if the old one does not
        hold any more or was rotated already.
        """
        now = datetime.now(UTC)
        with self._database.writing(by) as connection:
            old = _find_key(connection, key_id)
            scopes = _scopes_by_key(connection, key_id).get(key_id, [])
            _check_giver(connection, giver, scopes)
            if old["replaced_by"] is not None:
                raise BadInput(f"The key was rotated already: {old['replaced_by']} is the new one.")
            if _key_info(old, scopes).state(now) != "valid":
                raise BadInput("The key does not hold any more.", remedy="Issue a new one.")
            its_end = old["expires_at"]
            expires_at = now + (its_end - old["created_at"]) if its_end else None
            new = _add_key(connection, old["user_id"], old["label"], scopes, expires_at)
            until = min(now + overlap, its_end or datetime.max.replace(tzinfo=UTC))
            values = {"expires_at": until, "replaced_by": new.id}
            connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(values))
            told = {"new": new.id, "expires_at": until.isoformat()}
            record_change(connection, "key.rotated", key_id, after=told)
        return new

    def revoke(self, key_id: str, *, by: Actor) -> None:
        """From the next request on the key is refused. Raises NotFound."""
        first = func.coalesce(api_keys.c.revoked_at, datetime.now(UTC).replace(tzinfo=None))
        revoked = update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=first)
        with self._database.writing(by) as connection:
            if connection.execute(revoked).rowcount == 0:
                raise NotFound(f"There is no key {key_id!a}.")
            record_change(connection, "key.revoked", key_id)

    # --- using ----------------------------------------------------------------------------------

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

    def note_use(self, key_id: str) -> None:
        """The key is used now. Nothing is written before `write_uses`."""
        self._uses[key_id] = datetime.now(UTC)

    def write_uses(self, *, by: Actor) -> None:
        """Writes when keys were used last, of each key now and then; nothing if none was used."""
        due = {
            key_id: at
            for key_id, at in list(self._uses.items())
            if key_id not in self._written or at - self._written[key_id] >= USE_IS_WRITTEN_EVERY
        }
        if not due:
            return
        used = update(api_keys).where(api_keys.c.id == bindparam("key_id"))
        with self._database.writing(by) as connection:
            connection.execute(
                used.values(used_at=bindparam("at")),
                [{"key_id": key_id, "at": at} for key_id, at in due.items()],
            )
        self._written |= due

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
            rows = connection.execute(wanted).mappings()
            return [_key_info(row, scopes.get(row["id"], ())) for row in rows]


def _add_key(
    connection: Connection,
    user_id: int,
    label: str,
    scopes: Iterable[str],
    expires_at: datetime | None,
) -> IssuedKey:
    key_id = "".join(secrets.choice(_LETTERS) for _ in range(12))
    secret = secrets.token_urlsafe(32)
    values = {
        "id": key_id,
        "secret_sha256": _digest(secret),  # 256 random bits need no slow hash
        "user_id": user_id,
        "label": label,
        "created_at": datetime.now(UTC),
        "expires_at": expires_at,
    }
    connection.execute(insert(api_keys).values(values))
    connection.execute(insert(key_scopes), [{"key_id": key_id, "scope": each} for each in scopes])
    return IssuedKey(key_id, f"clr_{key_id}_{secret}")


def _check_scopes(given: Iterable[str]) -> Collection[str]:
    """Raises BadInput."""
    wanted = sorted(set(given))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        what = f"There is no scope {', '.join(unknown)}." if unknown else "A key needs a scope."
        raise BadInput(what, remedy=f"Scopes: {', '.join(sorted(SCOPES))}.")
    return wanted


def _check_giver(connection: Connection, giver: Principal | None, scopes: Collection[str]) -> None:
    """Raises NotPermitted. To ask as others is given by operators alone."""
    if giver is None:
        return
    held = held_scopes(connection, giver)
    if ACT_AS in scopes or not all(includes(held, scope) for scope in scopes):
        raise NotPermitted()


def _find_key(connection: Connection, key_id: str) -> RowMapping:
    wanted = select(api_keys, principals.c.name).join(principals).where(api_keys.c.id == key_id)
    found = connection.execute(wanted).mappings().first()
    if found is None:
        raise NotFound(f"There is no key {key_id!a}.")
    return found


def _key_info(row: RowMapping, scopes: Iterable[str]) -> KeyInfo:
    names = (
        "id",
        "label",
        "created_at",
        "expires_at",
        "revoked_at",
        "used_at",
        "replaced_by",
    )
    return KeyInfo(user=row["name"], scopes=tuple(scopes), **{name: row[name] for name in names})


def _scopes_by_key(connection: Connection, key_id: str | None = None) -> dict[str, list[str]]:
    """Of one key or of all."""
    found: dict[str, list[str]] = {}
    wanted = select(key_scopes).order_by(key_scopes.c.scope)
    if key_id is not None:
        wanted = wanted.where(key_scopes.c.key_id == key_id)
    for its_key, scope in connection.execute(wanted):
        found.setdefault(its_key, []).append(scope)
    return found


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
