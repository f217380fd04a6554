"""Users, nested groups, and the integers that stand for principals everywhere else."""

import secrets
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, insert, or_, select, update

from indexes.catalog.changes import note
from indexes.catalog.database import Database
from indexes.catalog.schema import api_keys, memberships, principals
from indexes.errors import AlreadyExists, BadPrincipal, NotFound
from indexes.principals import check_principal, group_name, user_name

_BATCH = 500


class People:
    """Every change holds for each request that starts after the call has returned, in every process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_user(self, name: str) -> None:
        """Raises AlreadyExists, BadPrincipal."""
        self._add(user_name(name))

    def add_group(self, name: str) -> None:
        """Raises AlreadyExists, BadPrincipal."""
        self._add(group_name(name))

    def remove_user(self, name: str) -> None:
        """The user reads nothing any more and its keys are gone. A later user of that name inherits no right of it."""
        self._remove(user_name(name))

    def remove_group(self, name: str) -> None:
        """Nobody reads anything through the group any more. A later group of that name inherits no right of it."""
        self._remove(group_name(name))

    def users(self) -> list[str]:
        """Principal names, sorted."""
        return self._names("user:")

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Direct members, as principal names, by group."""
        member = principals.alias("member")
        wanted = (
            select(principals.c.name, member.c.name)
            .select_from(principals)
            .outerjoin(memberships, memberships.c.group_id == principals.c.id)
            .outerjoin(member, member.c.id == memberships.c.member_id)
            .where(principals.c.known == 1, principals.c.name.startswith("group:"))
            .order_by(principals.c.name, member.c.name)
        )
        found: dict[str, list[str]] = {}
        with self._database.reading() as connection:
            for group, name in connection.execute(wanted):
                found.setdefault(group, []).extend([name] if name else [])
        return {group: tuple(members) for group, members in found.items()}

    def add_member(self, group: str, member: str) -> None:
        """Put a user or a group into a group; a cycle of groups is harmless. Raises NotFound for unknown names."""
        with self._database.writing() as connection:
            group_id, member_id = _membership(connection, group, member)
            same = select(memberships).where(memberships.c.group_id == group_id, memberships.c.member_id == member_id)
            if connection.execute(same).first() is None:
                connection.execute(insert(memberships).values(group_id=group_id, member_id=member_id))
                note(connection, "access")

    def remove_member(self, group: str, member: str) -> None:
        """Raises NotFound if it is not a direct member."""
        with self._database.writing() as connection:
            group_id, member_id = _membership(connection, group, member)
            these = memberships.c.group_id == group_id, memberships.c.member_id == member_id
            if connection.execute(delete(memberships).where(*these)).rowcount == 0:
                raise NotFound(f"{member} is not a direct member of {group}.")
            note(connection, "access")

    def _add(self, name: str) -> None:
        with self._database.writing() as connection:
            known = connection.scalar(select(principals.c.known).where(principals.c.name == name))
            if known:
                raise AlreadyExists(f"{name} exists.")
            if known is None:
                connection.execute(insert(principals).values(name=name, known=1))
            else:
                connection.execute(update(principals).where(principals.c.name == name).values(known=1))
            note(connection, "access")

    def _remove(self, name: str) -> None:
        with self._database.writing() as connection:
            principal_id = known_id(connection, name)
            edges = or_(memberships.c.member_id == principal_id, memberships.c.group_id == principal_id)
            connection.execute(delete(memberships).where(edges))
            connection.execute(delete(api_keys).where(api_keys.c.user_id == principal_id))
            tombstone = {"name": f"{name}#{secrets.token_hex(8)}", "known": 0}
            connection.execute(update(principals).where(principals.c.id == principal_id).values(tombstone))
            note(connection, "access")

    def _names(self, kind: str) -> list[str]:
        wanted = select(principals.c.name).where(principals.c.known == 1, principals.c.name.startswith(kind))
        with self._database.reading() as connection:
            return sorted(connection.scalars(wanted))


def known_id(connection: Connection, name: str) -> int:
    """The id of a user or group that an administrator made. Raises NotFound."""
    wanted = select(principals.c.id).where(principals.c.name == name, principals.c.known == 1)
    found: int | None = connection.scalar(wanted)
    if found is None:
        raise NotFound(f"{name} is not known.", remedy="Add it first: clearance users add, clearance groups add.")
    return found


def principal_ids(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Integers for principal names, made now for names that no rule has named before."""
    wanted = sorted(names)
    found: dict[str, int] = {}
    for batch in _batches(wanted):
        rows = connection.execute(select(principals.c.name, principals.c.id).where(principals.c.name.in_(batch)))
        found.update((name, principal_id) for name, principal_id in rows)
    for name in wanted:
        if name not in found:
            added = insert(principals).values(name=name, known=0).returning(principals.c.id)
            found[name] = connection.execute(added).scalar_one()
    return found


def _membership(connection: Connection, group: str, member: str) -> tuple[int, int]:
    checked = check_principal(member)
    if checked == "public":
        raise BadPrincipal("public is nobody's member; name public in a rule instead.")
    return known_id(connection, group_name(group)), known_id(connection, checked)


def _batches(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[start : start + _BATCH] for start in range(0, len(names), _BATCH))
