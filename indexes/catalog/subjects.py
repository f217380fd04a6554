"""Whom an identity provider means: people by issuer and subject, never by a name.

A subject stays with its person. If that one is disabled or removed, the subject is refused, and is
not taken for somebody new.
"""

import hashlib
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from indexes.catalog.audit.changes import record_change
from indexes.catalog.changes import note_people
from indexes.catalog.database import Database
from indexes.catalog.names import declared_id, free_name, keep_shapes
from indexes.catalog.prepared import Prepared
from indexes.catalog.schema import principal_scopes, principal_subjects, principals, sessions
from indexes.errors import (
    AlreadyExists,
    BadInput,
    BadPrincipal,
    ClearanceError,
    NotAuthenticated,
    NotFound,
)
from indexes.model import Actor, Principal
from indexes.principals import user_name
from indexes.scopes import ASK, OF_PEOPLE

MAX_SUBJECT_CHARS = 255
SIGN_IN = Actor("system:sign-in")
"""Who makes users of those that come for the first time, and begins and ends sessions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectInfo:
    """A link as administrators see it."""

    user: str
    provider: str
    issuer: str
    subject: str


_PERSON = Prepared(  # every request with a token asks it
    select(principals.c.id, principals.c.name, principals.c.known, principal_scopes.c.scope)
    .join(principal_subjects, principal_subjects.c.principal_id == principals.c.id)
    .outerjoin(principal_scopes, principal_scopes.c.principal_id == principals.c.id)
    .where(
        principal_subjects.c.issuer == bindparam("issuer"),
        principal_subjects.c.subject == bindparam("subject"),
    )
)
_link = principal_subjects.c


class Subjects:
    """People as identity providers know them, and what they may do besides asking."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, issuer: str, subject: str) -> Principal | None:
        """The person, with its scopes. If None, nobody is known by this subject.

        Raises NotAuthenticated if the person is disabled or was removed.
        """
        with self._database.reading() as connection:
            return _find_person(connection, issuer, subject)

    def welcome(self, issuer: str, subject: str, provider: str, *, by: Actor) -> Principal:
        """As `find`, and who is not known becomes a user, named by provider and subject.

        No claim gives the name: whoever could choose it could take one that rules say already.
        """
        known = self.find(issuer, subject)
        if known is not None:
            return known
        with self._database.writing(by) as connection:
            known = _find_person(connection, issuer, subject)
            if known is None:
                who = _declare(connection, issuer, subject, provider)
                connection.execute(
                    insert(principal_subjects).values(
                        issuer=issuer, subject=subject, provider=provider, principal_id=who
                    )
                )
                known = _find_person(connection, issuer, subject)
                assert known is not None
                told = {"issuer": issuer, "subject": subject}
                record_change(connection, "user.added", known.name, after=told)
            assert known is not None
            return known

    def link(self, user: str, provider: str, issuer: str, subject: str, *, by: Actor) -> None:
        """From now on the provider means this user by the subject.

        provider: ours for it. Raises NotFound, BadInput, and AlreadyExists if it means another one who is there, or
        this one by another subject.
        """
        if not 0 < len(subject) <= MAX_SUBJECT_CHARS:
            raise BadInput(f"A subject has 1 to {MAX_SUBJECT_CHARS} characters.")
        this = _link.issuer == issuer, _link.subject == subject
        with self._database.writing(by) as connection:
            user_id = declared_id(connection, "user", user)
            _refuse_second_subject(connection, user_id, provider, and_(*this))
            holder = connection.execute(
                select(principals.c.id, principals.c.name, principals.c.state)
                .join(principal_subjects, _link.principal_id == principals.c.id)
                .where(*this)
            ).first()
            values = {"provider": provider, "principal_id": user_id}
            if holder is None:
                linked = insert(principal_subjects).values(issuer=issuer, subject=subject, **values)
                connection.execute(linked)
            elif holder.state == "removed" or holder.id == user_id:
                connection.execute(update(principal_subjects).where(*this).values(values))
            else:
                raise AlreadyExists(
                    f"The provider means {holder.name} by this subject.",
                    remedy="Unlink it first: clearance users unlink NAME.",
                )
            note_people(connection, user_id)
            told = {"provider": provider, "issuer": issuer, "subject": subject}
            record_change(connection, "user.linked", user_name(user), after=told)

    def unlink(self, user: str, provider: str | None = None, *, by: Actor) -> int:
        """How many links of the user end, with their sessions: to one provider, or to all.

        Raises NotFound.
        """
        with self._database.writing(by) as connection:
            user_id = declared_id(connection, "user", user)
            record_change(
                connection, "user.unlinked", user_name(user), before={"provider": provider}
            )
            these = [_link.principal_id == user_id]
            these += [_link.provider == provider] if provider is not None else []
            issuers = select(_link.issuer).where(*these)
            connection.execute(
                delete(sessions).where(
                    sessions.c.principal_id == user_id, sessions.c.issuer.in_(issuers)
                )
            )
            note_people(connection, user_id)
            return connection.execute(delete(principal_subjects).where(*these)).rowcount

    def list(self) -> list[SubjectInfo]:
        """All links, by name of the user."""
        wanted = select(principals.c.name, _link.provider, _link.issuer, _link.subject).join(
            principal_subjects, _link.principal_id == principals.c.id
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(principals.c.name, _link.issuer))
            return [
                SubjectInfo(
                    user=name.partition("#")[0], provider=provider, issuer=issuer, subject=subject
                )
                for name, provider, issuer, subject in rows
            ]

    # --- what a person may do besides asking ----------------------------------------------------

    def grant(self, user: str, scope: str, *, by: Actor) -> None:
        """From now on the user may do this when it comes without a key.

        Raises NotFound, and BadInput for what is no scope of people.
        """
        _check_scope(scope)
        with self._database.writing(by) as connection:
            user_id = declared_id(connection, "user", user)
            if scope not in _scopes_of(connection, user_id):
                connection.execute(
                    insert(principal_scopes).values(principal_id=user_id, scope=scope)
                )
                told = {"scope": scope}
                record_change(connection, "scope.granted", user_name(user), after=told)

    def withdraw(self, user: str, scope: str, *, by: Actor) -> None:
        """Holds at the next transaction. Raises NotFound if the user does not hold the scope."""
        with self._database.writing(by) as connection:
            user_id = declared_id(connection, "user", user)
            these = principal_scopes.c.principal_id == user_id, principal_scopes.c.scope == scope
            if connection.execute(delete(principal_scopes).where(*these)).rowcount == 0:
                raise NotFound(f"{user} does not hold the scope {scope}.")
            record_change(connection, "scope.withdrawn", user_name(user), before={"scope": scope})

    def scopes(self, user: str) -> tuple[str, ...]:
        """What the user may do besides asking, sorted. Raises NotFound."""
        with self._database.reading() as connection:
            return _scopes_of(connection, declared_id(connection, "user", user))


def _find_person(connection: Connection, issuer: str, subject: str) -> Principal | None:
    found = _PERSON.rows(connection, {"issuer": issuer, "subject": subject})
    if not found:
        return None
    who, name, known, _ = found[0]
    if not known:
        raise NotAuthenticated()
    scopes = {ASK, *(scope for *_, scope in found if scope is not None)}
    return Principal(name=name, id=who, scopes=frozenset(scopes))


def _declare(connection: Connection, issuer: str, subject: str, provider: str) -> int:
    """The id of a new user under a name that no rule says and that nobody is taken for."""
    digest = hashlib.sha256(f"{issuer}\n{subject}".encode()).hexdigest()
    for rest in (subject, digest[:16], digest):
        try:
            name = free_name(connection, "user", f"{provider}/{rest}")
        except (AlreadyExists, BadPrincipal):
            continue
        if connection.scalar(select(principals.c.id).where(principals.c.name == name)) is None:
            added = insert(principals).values(name=name, known=1, state="active", external=0)
            who = int(connection.execute(added.returning(principals.c.id)).scalar_one())
            keep_shapes(connection, name, who)
            note_people(connection, who)
            return who
    raise ClearanceError("No name is free for a new user.")


def _refuse_second_subject(
    connection: Connection, user_id: int, provider: str, this: ColumnElement[bool]
) -> None:
    """A token tells the groups of one subject: those of another one of the same person would stay
    untold. Raises AlreadyExists.
    """
    others = select(_link.subject).where(
        _link.principal_id == user_id, _link.provider == provider, ~this
    )
    other = connection.scalar(others.limit(1))
    if other is not None:
        raise AlreadyExists(
            f"{provider} means this user by {other[:60]!a} already.",
            remedy="Unlink it first: clearance users unlink NAME.",
        )


def _scopes_of(connection: Connection, user_id: int) -> tuple[str, ...]:
    held = select(principal_scopes.c.scope).where(principal_scopes.c.principal_id == user_id)
    return tuple(connection.scalars(held.order_by(principal_scopes.c.scope)))


def _check_scope(scope: str) -> None:
    if scope not in OF_PEOPLE:
        raise BadInput(
            f"{scope[:40]!a} is no scope of people.",
            remedy=f"Scopes of people: {', '.join(sorted(OF_PEOPLE))}.",
        )
