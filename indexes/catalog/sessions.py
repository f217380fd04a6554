"""Sessions of people who signed in on the page: found by a secret of the browser, kept as a hash."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import DateTime, bindparam, delete, insert, select

from indexes.catalog.audit.changes import record_change
from indexes.catalog.database import Database
from indexes.catalog.prepared import Prepared, decode_json
from indexes.catalog.schema import principal_scopes, principals, sessions
from indexes.errors import NotAuthenticated
from indexes.model import Actor, Principal
from indexes.scopes import ASK


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSession:
    """What the provider is told at the sign-out."""

    issuer: str
    id_token: str


_FOUND = Prepared(  # every request of the page asks it
    select(
        principals.c.id,
        principals.c.name,
        sessions.c.groups,
        sessions.c.told_by,
        principal_scopes.c.scope,
    )
    .join(sessions, sessions.c.principal_id == principals.c.id)
    .outerjoin(principal_scopes, principal_scopes.c.principal_id == principals.c.id)
    .where(
        sessions.c.secret_sha256 == bindparam("digest"),
        sessions.c.expires_at > bindparam("now", type_=DateTime),
        principals.c.known == 1,
    )
)


class Sessions:
    """Each lasts as long as the token that it began with, at most."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(
        self, who: Principal, issuer: str, id_token: str, expires_at: datetime, *, by: Actor
    ) -> str:
        """The secret of a new session of this person, with the groups that its token named.

        Sessions that are over are forgotten.
        """
        secret = secrets.token_urlsafe(32)
        values = {
            "secret_sha256": _digest(secret),
            "principal_id": who.id,
            "issuer": issuer,
            "groups": sorted(who.groups),
            "told_by": who.told_by,
            "id_token": id_token,
            "expires_at": expires_at,
        }
        with self._database.writing(by) as connection:
            connection.execute(delete(sessions).where(sessions.c.expires_at <= datetime.now(UTC)))
            connection.execute(insert(sessions).values(values))
            record_change(connection, "session.begun", who.name, after={"issuer": issuer})
        return secret

    def find(self, secret: str) -> Principal:
        """Whose session it is. Raises NotAuthenticated if it is over, or the person may not ask."""
        asked = {"digest": _digest(secret), "now": datetime.now(UTC).replace(tzinfo=None)}
        with self._database.reading() as connection:
            found = _FOUND.rows(connection, asked)
        if not found:
            raise NotAuthenticated()
        who, name, groups, told_by, _ = found[0]
        return Principal(
            name=name,
            id=who,
            groups=frozenset(decode_json(groups)),
            told_by=told_by,
            scopes=frozenset({ASK, *(scope for *_, scope in found if scope is not None)}),
        )

    def end(self, secret: str, *, by: Actor) -> EndedSession | None:
        """If None, there is no such session."""
        this = sessions.c.secret_sha256 == _digest(secret)
        told = sessions.c.issuer, sessions.c.id_token, sessions.c.principal_id
        ended = delete(sessions).where(this).returning(*told)
        with self._database.writing(by) as connection:
            found = connection.execute(ended).first()
            if found is not None:
                name = select(principals.c.name).where(principals.c.id == found.principal_id)
                whose, before = str(connection.scalar(name)), {"issuer": found.issuer}
                record_change(connection, "session.ended", whose, before=before)
        return None if found is None else EndedSession(issuer=found.issuer, id_token=found.id_token)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
