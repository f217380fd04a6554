"""What a directory changes: one transaction, in which `people` decides about names and states."""

import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from indexes.attributes import text_problem
from indexes.catalog.audit.changes import record_change
from indexes.catalog.changes import note_several_people
from indexes.catalog.database import in_batches
from indexes.catalog.directory.entries import (
    ROWS,
    DirectoryEntry,
    DirectoryState,
    EntryValues,
    Kind,
    is_id,
)
from indexes.catalog.names import declared_id
from indexes.catalog.people import People
from indexes.catalog.schema import (
    api_keys,
    directory_entries,
    memberships,
    principal_scopes,
    principals,
    sessions,
)
from indexes.catalog.subjects import Subjects
from indexes.errors import BadInput
from indexes.model import Actor, KnownIssuer
from indexes.principals import check_principal, fold_name

MAX_EXTERNAL_ID_CHARS = 255
_entry = directory_entries.c


class DirectoryChanges(DirectoryState):
    """What one transaction sees and changes."""

    def __init__(
        self,
        connection: Connection,
        people: People,
        subjects: Subjects,
        by: Actor,
        issuer: KnownIssuer | None,
    ) -> None:
        super().__init__(connection)
        self._people = people
        self._subjects = subjects
        self._by = by
        self._issuer = issuer

    def create(self, kind: Kind, given: EntryValues) -> DirectoryEntry:
        """A new user or group; or the one that the directory deleted under this name, if it comes with
        the same external id.

        Raises AlreadyExists, BadPrincipal, BadInput for members that are not there.
        """
        _check_external_id(given.external_id)
        name = check_principal(f"{kind}:{given.name}")
        returning = self._find_left(name, given.external_id)
        if returning is not None:
            return self._bring_back(returning, given)
        add = self._people.add_user if kind == "user" else self._people.add_group
        add(name, by=self._by)
        principal_id = declared_id(self.connection, kind, name)
        public_id = insert_entry(self.connection, principal_id, kind, given)
        self._apply_state(principal_id)
        self._link(kind, name, None, given.external_id)
        self._change_members(principal_id, self._ids_of(given.members), replace=True)
        return self.get(kind, public_id)

    def replace(
        self, kind: Kind, public_id: str, given: EntryValues, *, links: bool = True
    ) -> DirectoryEntry:
        """What the directory says now, and nothing of before; its members are exactly these.

        Raises NotFound, AlreadyExists, BadPrincipal, BadInput.
        """
        _check_external_id(given.external_id)
        row = self.row(kind, public_id)
        self._link(kind, row["principal_name"], row["external_id"], given.external_id)
        self._rename(row, given.name)
        self._update_entry(row, given)
        self._apply_state(row["principal_id"])
        if kind == "group":
            self._change_members(row["principal_id"], self._ids_of(given.members), replace=True)
        return self.get(kind, public_id, links=links)

    def change_members(
        self, public_id: str, *, add: Collection[str] = (), remove: Collection[str] = ()
    ) -> DirectoryEntry:
        """The group, without its members, after some have come and others gone.

        The work depends on how many these are, not on how many there are. Who is to be removed and
        is no member is passed over. Raises NotFound, BadInput for members that are not there.
        """
        row = self.row("group", public_id)
        gone = self._known_ids(remove)
        changed = self._change_members(row["principal_id"], self._ids_of(add), set(gone.values()))
        if changed:
            self._touch(row["principal_id"])
        return self.get("group", public_id, links=False)

    def remove(self, kind: Kind, public_id: str) -> None:
        """A user reads nothing any more, and keeps its name and what denies it; a group is gone.

        Raises NotFound, and StillDenied for a group that a deny names, or one that it is in.
        """
        row = self.row(kind, public_id)
        principal_id = row["principal_id"]
        if kind == "group":
            self._people.remove_group(row["principal_name"], by=self._by)
            return
        now = datetime.now(UTC)
        left = {"shut_out": 1, "left_at": now, "changed_at": now, "version": row["version"] + 1}
        self.connection.execute(
            update(directory_entries).where(_entry.principal_id == principal_id).values(left)
        )
        self._apply_state(principal_id)
        self.connection.execute(
            update(api_keys)
            .where(api_keys.c.user_id == principal_id, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        for table in (principal_scopes, sessions):
            self.connection.execute(delete(table).where(table.c.principal_id == principal_id))
        kept = select(_entry.principal_id).where(_entry.kind == "group")
        self.connection.execute(
            delete(memberships).where(
                memberships.c.member_id == principal_id, memberships.c.group_id.in_(kept)
            )
        )
        note_several_people(self.connection, [principal_id])
        record_change(self.connection, "user.left", row["principal_name"])

    # --- how ------------------------------------------------------------------------------------

    def _find_left(self, name: str, external_id: str | None) -> RowMapping | None:
        """Whom the directory deleted under this name and by this id of its own."""
        if external_id is None:
            return None
        wanted = ROWS.where(
            principals.c.name == name,
            _entry.external_id == external_id,
            _entry.left_at.is_not(None),
        )
        return self.connection.execute(wanted).mappings().first()

    def _bring_back(self, row: RowMapping, given: EntryValues) -> DirectoryEntry:
        self._update_entry(row, given, **_state_of_new(given), left_at=None)
        self._apply_state(row["principal_id"])
        record_change(self.connection, "user.came_back", row["principal_name"])
        return self.get(row["kind"], row["public_id"])

    def _link(self, kind: Kind, name: str, before: str | None, after: str | None) -> None:
        """Whom the identity provider means by the external id is this user now, without the scopes of
        whom it meant before: a directory gives none.
        """
        if self._issuer is None or kind != "user" or before == after:
            return
        if before is not None:
            self._subjects.unlink(name, self._issuer.provider, by=self._by)
        if after is not None:
            known = self._issuer
            self._subjects.link(name, known.provider, known.issuer, after, by=self._by)
            held = select(principal_scopes.c.scope).where(
                principal_scopes.c.principal_id == declared_id(self.connection, kind, name)
            )
            for scope in sorted(self.connection.scalars(held)):
                self._subjects.withdraw(name, scope, by=self._by)

    def _rename(self, row: RowMapping, name: str) -> None:
        kind, before = row["kind"], row["principal_name"]
        after = check_principal(f"{kind}:{name}")
        if after == before:
            return
        if kind == "user":
            self._people.rename_user(before, after, by=self._by)
        else:
            self._people.rename_group(before, after, by=self._by)

    def _update_entry(self, row: RowMapping, given: EntryValues, **more: Any) -> None:
        state = {} if given.active is None else {"shut_out": int(not given.active)}
        values = _values_of(given) | {
            "version": row["version"] + 1,
            "changed_at": datetime.now(UTC),
        }
        self.connection.execute(
            update(directory_entries)
            .where(_entry.principal_id == row["principal_id"])
            .values(values | state | more)
        )

    def _touch(self, principal_id: int) -> None:
        self.connection.execute(
            update(directory_entries)
            .where(_entry.principal_id == principal_id)
            .values(version=_entry.version + 1, changed_at=datetime.now(UTC))
        )

    def _apply_state(self, principal_id: int) -> None:
        """Whether a user is active to rules: if the directory and the operator say so."""
        row = self.connection.execute(
            select(_entry.kind, _entry.shut_out, _entry.held, principals.c.name, principals.c.state)
            .join(principals, principals.c.id == _entry.principal_id)
            .where(_entry.principal_id == principal_id)
        ).one()
        wanted = "disabled" if row.shut_out or row.held else "active"
        if row.kind != "user" or row.state == wanted:
            return
        change = self._people.enable_user if wanted == "active" else self._people.disable_user
        change(row.name, by=self._by)

    def _ids_of(self, public_ids: Collection[str]) -> set[int]:
        """Raises BadInput for members that are not there."""
        found = self._known_ids(public_ids)
        if missing := set(public_ids) - set(found):
            raise BadInput(f"The directory keeps no user or group {min(missing)[:60]!a}.")
        return set(found.values())

    def _known_ids(self, public_ids: Collection[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        wanted = select(_entry.public_id, _entry.principal_id).where(_entry.left_at.is_(None))
        for batch in in_batches(sorted({each for each in public_ids if is_id(each)})):
            rows = self.connection.execute(wanted.where(_entry.public_id.in_(batch)))
            found.update((public_id, principal_id) for public_id, principal_id in rows)
        return found

    def _change_members(
        self,
        group_id: int,
        wanted: set[int],
        unwanted: Collection[int] = (),
        *,
        replace: bool = False,
    ) -> bool:
        """Whether anything changed. replace: all others are unwanted."""
        before = self._members_among(group_id, None if replace else wanted | set(unwanted))
        added = wanted - before
        removed = before - wanted if replace else (before & set(unwanted)) - wanted
        rows = [{"group_id": group_id, "member_id": each} for each in sorted(added)]
        if rows:
            self.connection.execute(insert(memberships), rows)
        for batch in in_batches(sorted(removed)):
            these = memberships.c.group_id == group_id, memberships.c.member_id.in_(batch)
            self.connection.execute(delete(memberships).where(*these))
        note_several_people(self.connection, added | removed)
        self._record_members(group_id, added, removed)
        return bool(added or removed)

    def _record_members(self, group_id: int, added: set[int], removed: set[int]) -> None:
        names = self._names_of({group_id} | added | removed)
        for member in sorted(names[each] for each in added):
            after = {"member": member}
            record_change(self.connection, "group.member_added", names[group_id], after=after)
        for member in sorted(names[each] for each in removed):
            before = {"member": member}
            record_change(self.connection, "group.member_removed", names[group_id], before=before)

    def _names_of(self, principal_ids: Collection[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        wanted = select(principals.c.id, principals.c.name)
        for batch in in_batches(sorted(principal_ids)):
            rows = self.connection.execute(wanted.where(principals.c.id.in_(batch)))
            found.update((principal_id, name) for principal_id, name in rows)
        return found

    def _members_among(self, group_id: int, some: Collection[int] | None) -> set[int]:
        """The group's members; of these few, if any are given."""
        wanted = select(memberships.c.member_id).where(memberships.c.group_id == group_id)
        if some is None:
            return set(self.connection.scalars(wanted))
        found: set[int] = set()
        for batch in in_batches(sorted(some)):
            found.update(self.connection.scalars(wanted.where(memberships.c.member_id.in_(batch))))
        return found


def insert_entry(
    connection: Connection, principal_id: int, kind: Kind, given: EntryValues, *, held: bool = False
) -> str:
    now, public_id = datetime.now(UTC), str(uuid.uuid4())
    values = (
        _values_of(given)
        | _state_of_new(given)
        | {
            "principal_id": principal_id,
            "public_id": public_id,
            "kind": kind,
            "held": int(held),
            "version": 1,
            "created_at": now,
            "changed_at": now,
        }
    )
    connection.execute(insert(directory_entries).values(values))
    return public_id


def _state_of_new(given: EntryValues) -> dict[str, Any]:
    """Of whoever comes, for the first time or again: active, if nothing else is said."""
    active = given.active is not False
    return {"active": active, "shut_out": int(not active)}


def _values_of(given: EntryValues) -> dict[str, Any]:
    return {
        "name": given.name,
        "folded": fold_name(given.name),
        "active": given.active,
        "external_id": given.external_id,
        "attributes": dict(given.attributes),
    }


def _check_external_id(external_id: str | None) -> None:
    """Raises BadInput."""
    if external_id is None:
        return
    if wrong := text_problem(external_id, MAX_EXTERNAL_ID_CHARS):
        raise BadInput(f"The external id {wrong}.")
