"""Users and nested groups: entities with ids.

Rules keep the ids, so that no change of a name changes who may read.

Nothing here opens a document to anybody in silence. What would lift a deny is refused unless it is
asked for, and whoever is declared under a name that rules say already gets to know how many. Read
`docs/decisions/0013` for the rest.
"""

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, or_, select, update

from indexes.catalog.audit.changes import record_change
from indexes.catalog.changes import note_people
from indexes.catalog.database import Database
from indexes.catalog.directory.rights import note_state_by_hand, refuse_by_hand
from indexes.catalog.mentions import Mentions, mentions, with_groups_above
from indexes.catalog.names import (
    DECLARED,
    ResolvedNames,
    Unknown,
    declared_id,
    find_lookalikes,
    former_ids,
    free_name,
    keep_shapes,
    meaning,
    refuse_unknown,
    unknown_principal,
)
from indexes.catalog.schema import (
    api_keys,
    directory_entries,
    key_scopes,
    memberships,
    principal_aliases,
    principal_scopes,
    principal_shapes,
    principals,
    sessions,
)
from indexes.errors import BadInput, BadPrincipal, NotFound, StillDenied
from indexes.model import PUBLIC, Actor, Readers
from indexes.principals import ascii_form, check_principal, group_name, user_name

_ENDS_WITH_ITS_PRINCIPAL = (
    directory_entries,
    principal_aliases,
    principal_scopes,
    principal_shapes,
    sessions,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalInfo:
    """A user or a group as administrators see it."""

    name: str
    state: str  # active | disabled
    external: bool  # a group whose members the identity provider names
    former_names: tuple[str, ...]
    # declared names that look the same: they are older than the rule against them
    taken_for: tuple[str, ...]
    kept_by_directory: bool = False


class People:
    """Every change holds for each request that starts after the call has returned, in every
    process.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- declaring, renaming, disabling, removing -----------------------------------------------

    def add_user(self, name: str, *, by: Actor) -> Mentions:
        """Declare a user. Returns the rules that name the user already: they hold from now on.

        Raises AlreadyExists, BadPrincipal.
        """
        return self._add("user", name, by=by)

    def add_group(self, name: str, *, external: bool = False, by: Actor) -> Mentions:
        """Declare a group.

        external: the identity provider says in its tokens who is in it. No other group counts from
        a token.

        Returns the rules that name the group already: they hold from now on. Raises AlreadyExists,
        BadPrincipal.
        """
        return self._add("group", name, external=external, by=by)

    def rename_user(self, old: str, new: str, *, by: Actor) -> Mentions:
        """The same person under another name, with the same keys and rights; files may say the old
        name, too.

        Returns the rules that named `new` before anybody had that name: they mean nobody until they
        are resolved anew. Raises NotFound, AlreadyExists, BadPrincipal.
        """
        return self._rename("user", old, new, lift_denies=False, by=by)

    def rename_group(self, old: str, new: str, *, lift_denies: bool = False, by: Actor) -> Mentions:
        """As `rename_user`.

        Tokens must say the new name of an external group. Raises StillDenied if a deny hangs on
        the old one.
        """
        return self._rename("group", old, new, lift_denies=lift_denies, by=by)

    def forget_name(self, kind: str, former: str, *, by: Actor) -> str:
        """Rule files that say this former name mean nobody from their next run on.

        Returns whose name it was.

        Rules that are stored do not change. Raises NotFound if nobody was called so.
        """
        name = former if former.startswith(f"{kind}:") else f"{kind}:{former}"
        with self._database.writing(by) as connection:
            owner = former_ids(connection, {name}).get(name)
            if owner is None:
                raise NotFound(
                    f"{ascii_form(name)} is nobody's former name.",
                    remedy=f"See: clearance {kind}s list",
                )
            connection.execute(delete(principal_aliases).where(principal_aliases.c.name == name))
            connection.execute(delete(principal_shapes).where(principal_shapes.c.name == name))
            whose = select(principals.c.name).where(principals.c.id == owner)
            found = str(connection.scalar(whose))
            record_change(connection, f"{kind}.name_forgotten", found, before={"former": name})
            return found

    def disable_user(self, name: str, *, by: Actor) -> None:
        """The user's keys are refused and it reads nothing, until it is enabled; its name and its
        denies stay.

        Raises NotFound.
        """
        self._set_state(name, state="disabled", by=by)

    def enable_user(self, name: str, *, by: Actor) -> None:
        """What held for the user before holds again, its keys included. Raises NotFound."""
        self._set_state(name, state="active", by=by)

    def remove_user(self, name: str, *, lift_denies: bool = False, by: Actor) -> None:
        """The user reads nothing any more and its keys are gone.

        A later user of that name is somebody else.

        Raises StillDenied if rules deny the user: files that say the name would mean the next of
        that name.
        """
        self._remove("user", name, lift_denies=lift_denies, by=by)

    def remove_group(self, name: str, *, lift_denies: bool = False, by: Actor) -> None:
        """Nobody reads anything through the group any more.

        A later group of that name is another one.

        Raises StillDenied if rules deny the group, or one that it is in: its members could read
        them.
        """
        self._remove("group", name, lift_denies=lift_denies, by=by)

    # --- members --------------------------------------------------------------------------------

    def add_member(self, group: str, member: str, *, by: Actor) -> None:
        """Put a user or a group into a group; a cycle of groups is harmless.

        Raises NotFound for unknown names.
        """
        with self._database.writing(by) as connection:
            group_id, member_id = _membership_ids(connection, group, member)
            refuse_by_hand(connection, group_id)
            same = select(memberships).where(
                memberships.c.group_id == group_id, memberships.c.member_id == member_id
            )
            if connection.execute(same).first() is None:
                connection.execute(
                    insert(memberships).values(group_id=group_id, member_id=member_id)
                )
                note_people(connection, member_id)
                record_change(
                    connection, "group.member_added", group_name(group), after={"member": member}
                )

    def remove_member(self, group: str, member: str, *, by: Actor) -> Mentions:
        """Returns the rules that deny the group or one above it: they may not hold for the member
        any more.

        Raises NotFound if it is not a direct member.
        """
        with self._database.writing(by) as connection:
            group_id, member_id = _membership_ids(connection, group, member)
            refuse_by_hand(connection, group_id)
            denied = mentions(connection, with_groups_above(connection, group_id), "deny")
            these = memberships.c.group_id == group_id, memberships.c.member_id == member_id
            if connection.execute(delete(memberships).where(*these)).rowcount == 0:
                raise NotFound(f"{member} is not a direct member of {group}.")
            note_people(connection, member_id)
            record_change(
                connection, "group.member_removed", group_name(group), before={"member": member}
            )
            return denied

    # --- who there is ---------------------------------------------------------------------------

    def users(self) -> list[str]:
        """Names of declared users, sorted; disabled ones are among them."""
        return [info.name for info in self.everybody("user")]

    def askers(self) -> list[str]:
        """Names of the users who may ask now, sorted."""
        return [info.name for info in self.everybody("user") if info.state == "active"]

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Direct members, as principal names, by group."""
        member = principals.alias("member")
        wanted = (
            select(principals.c.name, member.c.name)
            .select_from(principals)
            .outerjoin(memberships, memberships.c.group_id == principals.c.id)
            .outerjoin(member, member.c.id == memberships.c.member_id)
            .where(principals.c.state.in_(DECLARED), principals.c.name.startswith("group:"))
            .order_by(principals.c.name, member.c.name)
        )
        found: dict[str, list[str]] = {}
        with self._database.reading() as connection:
            for group, name in connection.execute(wanted):
                found.setdefault(group, []).extend([name] if name else [])
        return {group: tuple(members) for group, members in found.items()}

    def everybody(self, kind: str) -> list[PrincipalInfo]:
        """Every declared user or every declared group, by name."""
        wanted = (
            select(principals)
            .where(principals.c.state.in_(DECLARED), principals.c.name.startswith(f"{kind}:"))
            .order_by(principals.c.name)
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
            former: dict[int, list[str]] = {}
            for name, owner in connection.execute(
                select(principal_aliases).order_by(principal_aliases.c.name)
            ):
                former.setdefault(owner, []).append(name)
            alike = find_lookalikes(connection)
            kept = set(connection.scalars(select(directory_entries.c.principal_id)))
        return [
            PrincipalInfo(
                name=row.name,
                state=row.state,
                external=bool(row.external),
                former_names=tuple(former.get(row.id, ())),
                taken_for=tuple(sorted(alike.get(row.name, ()))),
                kept_by_directory=row.id in kept,
            )
            for row in rows
        ]

    def meaning(self, names: Collection[str]) -> ResolvedNames:
        """Whom the names of rules mean now, former names included; the unknown ones with the
        nearest known name.
        """
        with self._database.reading() as connection:
            return meaning(connection, names)

    def check_rule(self, readers: Readers, *, refuse: bool) -> tuple[Unknown, ...]:
        """The names in a rule that nobody has declared. refuse: none of them is accepted.

        Raises UnknownPrincipal for any in `deny`, and with `refuse` for any at all; BadPrincipal
        for what is no name.
        """
        said = Readers(allow=_check_names(readers.allow), deny=_check_names(readers.deny))
        with self._database.reading() as connection:
            refuse_unknown(connection, said.deny)
            unknown = tuple(meaning(connection, said.allow).unknown.values())
        if unknown and refuse:
            raise unknown_principal(unknown, "the rule")
        return unknown

    # --- how ------------------------------------------------------------------------------------

    def _add(self, kind: str, given: str, *, external: bool = False, by: Actor) -> Mentions:
        with self._database.writing(by) as connection:
            name = free_name(connection, kind, given)
            values = {"known": 1, "state": "active", "external": int(external)}
            named = connection.scalar(select(principals.c.id).where(principals.c.name == name))
            if named is None:
                added = insert(principals).values(name=name, **values).returning(principals.c.id)
                named = int(connection.execute(added).scalar_one())
            else:
                connection.execute(
                    update(principals).where(principals.c.id == named).values(values)
                )
            keep_shapes(connection, name, named)
            note_people(connection, named)
            record_change(connection, f"{kind}.added", name, after={"external": external})
            return mentions(connection, {named})

    def _rename(self, kind: str, old: str, new: str, *, lift_denies: bool, by: Actor) -> Mentions:
        with self._database.writing(by) as connection:
            principal_id = declared_id(connection, kind, old)
            refuse_by_hand(connection, principal_id)
            stored = connection.execute(
                select(principals).where(principals.c.id == principal_id)
            ).one()
            name = free_name(connection, kind, new, of=principal_id)
            if name == stored.name:
                raise BadInput(f"{name} is its name already.")
            if stored.external and not lift_denies:
                _refuse_lifting(
                    connection, stored.name, principal_id, "tokens that say the old name"
                )
            left = _set_name_aside(connection, name)
            connection.execute(delete(principal_aliases).where(principal_aliases.c.name == name))
            connection.execute(
                insert(principal_aliases).values(name=stored.name, principal_id=principal_id)
            )
            connection.execute(
                update(principals).where(principals.c.id == principal_id).values(name=name)
            )
            keep_shapes(connection, name, principal_id)
            note_people(connection, principal_id)
            record_change(
                connection,
                f"{kind}.renamed",
                name,
                before={"name": stored.name},
                after={"name": name},
            )
            return left

    def _set_state(self, given: str, *, state: str, by: Actor) -> None:
        with self._database.writing(by) as connection:
            principal_id = declared_id(connection, "user", given)
            note_state_by_hand(connection, principal_id, state)
            values = {"state": state, "known": int(state == "active")}
            connection.execute(
                update(principals).where(principals.c.id == principal_id).values(values)
            )
            note_people(connection, principal_id)
            done = "enabled" if state == "active" else state
            record_change(connection, f"user.{done}", user_name(given))

    def _remove(self, kind: str, given: str, *, lift_denies: bool, by: Actor) -> None:
        with self._database.writing(by) as connection:
            principal_id = declared_id(connection, kind, given)
            name = str(
                connection.scalar(select(principals.c.name).where(principals.c.id == principal_id))
            )
            if not lift_denies:
                _refuse_lifting(
                    connection,
                    name,
                    principal_id,
                    "its members" if kind == "group" else "a later one",
                )
            note_people(connection, principal_id)
            members = _direct_members(connection, principal_id)
            edges = or_(
                memberships.c.member_id == principal_id, memberships.c.group_id == principal_id
            )
            connection.execute(delete(memberships).where(edges))
            its_keys = select(api_keys.c.id).where(api_keys.c.user_id == principal_id)
            connection.execute(delete(key_scopes).where(key_scopes.c.key_id.in_(its_keys)))
            connection.execute(delete(api_keys).where(api_keys.c.user_id == principal_id))
            for table in _ENDS_WITH_ITS_PRINCIPAL:
                connection.execute(delete(table).where(table.c.principal_id == principal_id))
            _give_up_name(connection, principal_id, name)
            record_change(connection, f"{kind}.removed", name, before={"members": members})


def _direct_members(connection: Connection, group_id: int) -> list[str]:
    wanted = select(principals.c.name).join(memberships, memberships.c.member_id == principals.c.id)
    return sorted(connection.scalars(wanted.where(memberships.c.group_id == group_id)))


def _refuse_lifting(connection: Connection, name: str, principal_id: int, whom: str) -> None:
    """Raises StillDenied if rules deny this principal, or for a group one that it is in."""
    group = name.startswith("group:")
    denied = mentions(
        connection, with_groups_above(connection, principal_id) if group else {principal_id}, "deny"
    )
    if denied:
        instead = (
            "" if group else f" To take all access away at once: clearance users disable {name}."
        )
        through = " or a group that it is in" if group else ""
        raise StillDenied(
            f"{denied} deny {name}{through}; {whom} could read them.",
            remedy=f"Change these rules first, or say --lift-denies.{instead}",
        )


def _set_name_aside(connection: Connection, name: str) -> Mentions:
    """Rules that name what nobody had declared keep meaning nobody when somebody else gets the
    name.
    """
    named = connection.scalar(select(principals.c.id).where(principals.c.name == name))
    if named is None:
        return Mentions()
    _give_up_name(connection, named, name)
    return mentions(connection, {named})


def _give_up_name(connection: Connection, principal_id: int, name: str) -> None:
    """Nobody has this id any more, and its name is free."""
    ended = {
        "name": f"{name}#{secrets.token_hex(8)}",
        "known": 0,
        "state": "removed",
        "external": 0,
    }
    connection.execute(update(principals).where(principals.c.id == principal_id).values(ended))


def _check_names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(check_principal(name) for name in names)


def _membership_ids(connection: Connection, group: str, member: str) -> tuple[int, int]:
    if member == PUBLIC:
        raise BadPrincipal("public is nobody's member; name public in a rule instead.")
    kind = member.partition(":")[0]
    if kind not in ("user", "group"):
        check_principal(member)
    return declared_id(connection, "group", group), declared_id(connection, kind, member)
