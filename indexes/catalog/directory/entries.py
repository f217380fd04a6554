"""What a directory sees of its users and groups."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, func, select

from indexes.catalog.database import in_batches
from indexes.catalog.directory.search import Condition, sql_of
from indexes.catalog.schema import directory_entries, memberships, principals
from indexes.errors import NotFound

Kind = Literal["user", "group"]
MAX_ID_CHARS = 36
_entry = directory_entries.c


@dataclass(frozen=True, slots=True)
class Link:
    """A member of a group, or a group of a member."""

    id: str
    kind: Kind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryEntry:
    """A user or group as its directory sees it."""

    id: str  # random, never given to anybody else
    kind: Kind
    name: str  # as the directory writes it
    external_id: str | None
    active: bool | None  # as the directory said last; None if it says nothing any more
    attributes: Mapping[str, Any]
    version: str  # changes with every change of what is told here
    created_at: datetime
    changed_at: datetime
    members: tuple[Link, ...] = ()  # of a group, direct ones
    groups: tuple[Link, ...] = ()  # of a user, direct ones


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryValues:
    """What a directory says of a user or group."""

    name: str
    external_id: str | None = None
    active: bool | None = None  # if None, as it was; of a new one, active
    attributes: Mapping[str, Any]
    members: Collection[str] = ()  # public ids: of a group exactly these


ORDERS: Mapping[str, Any] = {
    "id": _entry.public_id,
    "name": _entry.folded,
    "created_at": _entry.created_at,
    "changed_at": _entry.changed_at,
}
_size = (
    select(func.count())
    .where(memberships.c.group_id == _entry.principal_id)
    .correlate(directory_entries)
    .scalar_subquery()
)
ROWS = select(
    directory_entries,
    principals.c.name.label("principal_name"),
    principals.c.changed.label("principal_changed"),
    _size.label("size"),
).join(principals, principals.c.id == _entry.principal_id)


class DirectoryState:
    """What one transaction sees."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def get(self, kind: Kind, public_id: str, *, links: bool = True) -> DirectoryEntry:
        """links: with members and groups. Raises NotFound."""
        return self._entries([self.row(kind, public_id)], links)[0]

    def count(self, kind: Kind, condition: Condition | None = None) -> int:
        wanted = select(func.count()).select_from(directory_entries)
        return self.connection.scalar(wanted.where(*_is_seen(kind), sql_of(condition))) or 0

    def page(
        self,
        kind: Kind,
        condition: Condition | None = None,
        *,
        order: str | None = None,
        descending: bool = False,
        start: int = 0,
        count: int | None = None,
        links: bool = True,
    ) -> list[DirectoryEntry]:
        """Those that meet the condition, from the place `start` on. order: one of ORDERS; if None,
        the oldest first.
        """
        by = _entry.principal_id if order is None else ORDERS[order]
        wanted = (
            ROWS.where(*_is_seen(kind), sql_of(condition))
            .order_by(by.desc() if descending else by, _entry.principal_id)
            .offset(start)
            .limit(count)
        )
        return self._entries(self.connection.execute(wanted).mappings().all(), links)

    def row(self, kind: Kind, public_id: str) -> RowMapping:
        wanted = ROWS.where(*_is_seen(kind), _entry.public_id == public_id)
        row = self.connection.execute(wanted).mappings().first() if is_id(public_id) else None
        if row is None:
            raise NotFound(f"The directory keeps no such {kind}.")
        return row

    def _entries(self, rows: Sequence[RowMapping], links: bool) -> list[DirectoryEntry]:
        ids = [row["principal_id"] for row in rows]
        members = self._links(ids, "group_id", "member_id") if links else {}
        groups = self._links(ids, "member_id", "group_id") if links else {}
        return [
            _entry_of(
                row, members.get(row["principal_id"], ()), groups.get(row["principal_id"], ())
            )
            for row in rows
        ]

    def _links(self, ids: Sequence[int], ours: str, theirs: str) -> Mapping[int, tuple[Link, ...]]:
        found: dict[int, list[Link]] = {}
        mine, other = memberships.c[ours], memberships.c[theirs]
        wanted = (
            select(mine, _entry.public_id, _entry.kind, _entry.name)
            .join(directory_entries, _entry.principal_id == other)
            .where(_entry.left_at.is_(None))
            .order_by(mine, other)
        )
        for batch in in_batches(ids):
            for owner, *link in self.connection.execute(wanted.where(mine.in_(batch))):
                found.setdefault(owner, []).append(Link(*link))
        return {owner: tuple(its) for owner, its in found.items()}


def is_id(given: str) -> bool:
    """Whether it could be a public id, and so be asked for in every database."""
    return len(given) <= MAX_ID_CHARS and given.isascii() and given.isprintable()


def _is_seen(kind: Kind) -> tuple[Any, Any]:
    return _entry.kind == kind, _entry.left_at.is_(None)


def _entry_of(
    row: RowMapping, members: tuple[Link, ...], groups: tuple[Link, ...]
) -> DirectoryEntry:
    # of a hash, since the number of its newest change moves with the work of others
    state = f"{row['version']} {row['principal_changed']} {row['size']} {row['public_id']}"
    return DirectoryEntry(
        id=row["public_id"],
        kind=row["kind"],
        name=row["name"],
        external_id=row["external_id"],
        active=row["active"],
        attributes=row["attributes"],
        version=uuid.uuid5(uuid.NAMESPACE_OID, state).hex,
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        members=members,
        groups=groups,
    )
