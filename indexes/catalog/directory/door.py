"""Where a directory comes in, and what operators hand over to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, delete, select

from indexes.catalog.audit.changes import record_change
from indexes.catalog.database import Database
from indexes.catalog.directory.changes import DirectoryChanges, insert_entry
from indexes.catalog.directory.entries import DirectoryState, EntryValues, Kind
from indexes.catalog.directory.rights import acting_as_directory, is_kept
from indexes.catalog.names import declared_id
from indexes.catalog.people import People
from indexes.catalog.schema import directory_entries, memberships, principals
from indexes.catalog.subjects import Subjects
from indexes.errors import AlreadyExists, BadInput, NotFound
from indexes.model import Actor, KnownIssuer
from indexes.principals import check_principal

_entry = directory_entries.c


class Directory:
    """The catalog as a directory may see and change it."""

    def __init__(self, database: Database, people: People, subjects: Subjects) -> None:
        self._database = database
        self._people = people
        self._subjects = subjects

    @contextmanager
    def reading(self) -> Iterator[DirectoryState]:
        """One consistent state."""
        with self._database.reading() as connection:
            yield DirectoryState(connection)

    @contextmanager
    def writing(self, by: Actor, issuer: KnownIssuer | None = None) -> Iterator[DirectoryChanges]:
        """All that is done inside the block, or nothing; what is read there is what it is judged by.

        issuer: of the identity provider that means by its subjects whom the directory means by
        external ids. If None, there is none.
        """
        with self._database.together(by) as connection, acting_as_directory():
            yield DirectoryChanges(connection, self._people, self._subjects, by, issuer)

    def hand_over(self, kind: Kind, name: str, external_id: str | None = None, *, by: Actor) -> str:
        """Hands a user or group that was made by hand over to the directory. Returns its public id.

        Raises NotFound, AlreadyExists, BadInput for a group with members that the directory does
        not keep, or whose members an identity provider names.
        """
        with self._database.writing(by) as connection:
            principal_id = declared_id(connection, kind, name)
            row = connection.execute(
                select(principals.c.name, principals.c.state, principals.c.external).where(
                    principals.c.id == principal_id
                )
            ).one()
            if is_kept(connection, principal_id):
                raise AlreadyExists(f"The directory keeps {row.name} already.")
            _refuse_mixed_group(connection, principal_id, row.name, bool(row.external))
            given = EntryValues(
                name=row.name.partition(":")[2], external_id=external_id, attributes={}
            )
            record_change(connection, f"{kind}.handed_over", row.name)
            return insert_entry(connection, principal_id, kind, given, held=row.state != "active")

    def take_back(self, kind: Kind, name: str, *, by: Actor) -> None:
        """From now on the user or group is kept by hand, as it is. The directory does not see it.

        Raises NotFound, BadInput if it is in a group that the directory keeps.
        """
        with self._database.writing(by) as connection:
            principal_id, bare = declared_id(connection, kind, name), name.removeprefix(f"{kind}:")
            if not is_kept(connection, principal_id):
                raise NotFound(f"The directory does not keep {name}.")
            kept = select(memberships.c.group_id).join(
                directory_entries, _entry.principal_id == memberships.c.group_id
            )
            if connection.scalar(kept.where(memberships.c.member_id == principal_id)) is not None:
                raise BadInput(
                    f"{name} is in groups that the directory keeps.",
                    remedy="Take it out of them in the directory first.",
                )
            connection.execute(delete(directory_entries).where(_entry.principal_id == principal_id))
            record_change(connection, f"{kind}.taken_back", check_principal(f"{kind}:{bare}"))


def _refuse_mixed_group(connection: Connection, group_id: int, name: str, external: bool) -> None:
    """Raises BadInput: a directory that names a group's members would drop those it does not see."""
    if external:
        raise BadInput(f"{name} has the members that tokens name.")
    others = (
        select(principals.c.name)
        .join(memberships, memberships.c.member_id == principals.c.id)
        .outerjoin(directory_entries, _entry.principal_id == principals.c.id)
        .where(memberships.c.group_id == group_id, _entry.principal_id.is_(None))
        .order_by(principals.c.name)
        .limit(3)
    )
    found = list(connection.scalars(others))
    if found:
        raise BadInput(
            f"{name} has members that the directory does not keep: {', '.join(found)}.",
            remedy="Hand them over first, or take them out.",
        )
