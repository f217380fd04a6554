"""Why somebody may or may not read a document, for operators: the same tables as both gates, told
in words.

The verdict is the gate's own. Text and title of the document are not looked at.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from indexes.catalog.access import identities, readable_sets
from indexes.catalog.database import in_batches
from indexes.catalog.names import declared_id, find_nearest
from indexes.catalog.schema import documents, memberships, principals, reader_set_entries
from indexes.errors import BadInput, NotFound
from indexes.model import PUBLIC, Principal
from indexes.principals import group_name

MAX_WAYS = 20  # shortest ways from a user to one group that are told

_TOKEN = "the token of "
_UNTOLD = "what a provider did not tell of "

MembershipChain = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEntry:
    """One name in the document's rule."""

    effect: str  # allow | deny
    name: str
    state: str  # active | disabled | named (nobody declared it) | removed | everybody
    # all shortest: user, its group, the group above …; empty: it is not meant
    ways: tuple[MembershipChain, ...]
    nearest: str | None = None  # of a name that nobody declared

    @property
    def applies(self) -> bool:
        return bool(self.ways)

    def __str__(self) -> str:
        told = f"{self.effect} {self.name}"
        if self.applies:
            return f"{told}: " + "; ".join(_describe_way(way) for way in self.ways)
        if self.state == "named":
            return f"{told}: means nobody, since it is not declared." + (
                f" Is {self.nearest} meant?" if self.nearest else ""
            )
        return (
            f"{told}: means nobody, since it was removed."
            if self.state == "removed"
            else f"{told}: does not apply."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why, and what would change it."""

    user: str
    document: str  # public id
    path: str
    may_read: bool
    because: tuple[str, ...]
    rules: tuple[RuleEntry, ...]
    notes: tuple[str, ...]  # what was said or is stored and does not count
    would_change: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.user} {'may' if self.may_read else 'may not'} read {self.path} ({self.document})."
        yield from (f"  {reason}" for reason in self.because)
        yield "Its rule:" if self.rules else "Its rule names nobody."
        yield from (f"  {entry}" for entry in self.rules)
        yield from (f"Note: {note}" for note in self.notes)
        yield "What would change it:"
        yield from (f"  {step}" for step in self.would_change)


def explain(
    connection: Connection, user: str, document: str, token_groups: Collection[str] = ()
) -> Explanation:
    """token_groups: what the user's token would bring. Raises NotFound, BadPrincipal, BadInput."""
    found = find_document(connection, document)
    user_id = declared_id(connection, "user", user)
    who = connection.execute(select(principals).where(principals.c.id == user_id)).one()
    counted, notes = _groups_of_token(
        connection, sorted({group_name(name) for name in token_groups})
    )
    ways = _find_ways(connection, {user_id: who.name} | counted, who.name)
    entries = tuple(_find_entries(connection, found.reader_set_id, ways))
    asker = Principal(
        name=who.name, groups=frozenset(counted.values()), told_by=_teller(token_groups)
    )
    untold = _find_untold(connection, asker, ways)
    entries = tuple(_with_untold(entry, untold) for entry in entries)
    may_read = bool(readable_sets(connection, asker, {found.reader_set_id}))
    enabled = who.state == "active"
    return Explanation(
        user=who.name,
        document=found.public_id,
        path=found.path,
        may_read=may_read,
        because=tuple(_give_reasons(who.name, entries, enabled=enabled)),
        rules=entries,
        notes=notes,
        would_change=tuple(_suggest_changes(who.name, entries, enabled=enabled)),
    )


def _teller(token_groups: Collection[str]) -> str | None:
    """The provider whose token brings these groups, which are taken for all that there are."""
    said = {group_name(name).removeprefix("group:").partition("/")[0] for name in token_groups}
    return said.pop() if len(said) == 1 else None


def _find_untold(
    connection: Connection, asker: Principal, ways: Mapping[int, list[MembershipChain]]
) -> dict[str, MembershipChain]:
    """By name, the groups that the asker may be in without our knowing."""
    possible = identities(connection, asker).possible - ways.keys()
    found: dict[str, MembershipChain] = {}
    for batch in in_batches(sorted(possible)):
        names = connection.scalars(select(principals.c.name).where(principals.c.id.in_(batch)))
        found.update((name, (f"{_UNTOLD}{asker.name}", name)) for name in names)
    return found


def _with_untold(entry: RuleEntry, untold: Mapping[str, MembershipChain]) -> RuleEntry:
    if entry.effect != "deny" or entry.name not in untold:
        return entry
    return replace(entry, ways=(untold[entry.name],))


def find_document(connection: Connection, given: str) -> Any:
    """The one document with this id, address or path: its public_id, path and reader_set_id.

    Raises NotFound, and BadInput for a path that several have.
    """
    for column in (documents.c.public_id, documents.c.uri, documents.c.path):
        wanted = select(documents.c.public_id, documents.c.path, documents.c.reader_set_id)
        found = connection.execute(
            wanted.where(column == given).order_by(documents.c.id).limit(10)
        ).all()
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(row.public_id for row in found)
            raise BadInput(
                f"Several documents have the path {given[:200]!a}.",
                remedy=f"Name one by its id: {ids}.",
            )
    raise NotFound(
        f"There is no document {given[:200]!a}.",
        remedy="Give its id, or its path as it was stored.",
    )


def _groups_of_token(
    connection: Connection, groups: list[str]
) -> tuple[dict[int, str], tuple[str, ...]]:
    """Those of a token's groups that count, by id, and why the others do not."""
    counted: dict[int, str] = {}
    notes: dict[str, str] = {
        name: f"{name} does not count from a token: it is not declared." for name in groups
    }
    for batch in in_batches(groups):
        for row in connection.execute(
            select(principals).where(principals.c.name.in_(batch), principals.c.known == 1)
        ):
            notes[row.name] = (
                f"{row.name} does not count from a token: it is not declared with --external."
            )
            if row.external:
                counted[row.id] = row.name
                del notes[row.name]
    return counted, tuple(notes.values())


def _find_ways(
    connection: Connection, start: Mapping[int, str], user: str
) -> dict[int, list[MembershipChain]]:
    """All shortest ways from the user to everybody it is, by id, level by level; cycles end where
    all is known.
    """
    public = connection.scalar(select(principals.c.id).where(principals.c.name == PUBLIC))
    found: dict[int, list[MembershipChain]] = {
        who: [(user,) if name == user else (f"{_TOKEN}{user}", name)] for who, name in start.items()
    }
    if public is not None:
        found[public] = [(user, PUBLIC)]
    level = list(found)
    while level:
        reached: dict[int, list[MembershipChain]] = {}
        for group, name, member in connection.execute(
            select(memberships.c.group_id, principals.c.name, memberships.c.member_id)
            .join(principals, principals.c.id == memberships.c.group_id)
            .where(memberships.c.member_id.in_(level))
            .order_by(principals.c.name, memberships.c.member_id)
        ):
            if group not in found:
                reached.setdefault(group, []).extend((*way, name) for way in found[member])
        found |= {group: sorted(ways)[:MAX_WAYS] for group, ways in reached.items()}
        level = list(reached)
    return found


def _find_entries(
    connection: Connection, reader_set: int, ways: Mapping[int, list[MembershipChain]]
) -> Iterator[RuleEntry]:
    entry = reader_set_entries.c
    wanted = (
        select(entry.effect, entry.principal_id, principals.c.name, principals.c.state)
        .join(principals, principals.c.id == entry.principal_id)
        .where(entry.reader_set_id == reader_set)
        .order_by(entry.effect, principals.c.name)
    )
    rows = connection.execute(wanted).all()
    unknown = [row.name for row in rows if row.state == "named" and row.name != PUBLIC]
    near = find_nearest(connection, unknown) if unknown else {}
    for row in rows:
        yield RuleEntry(
            effect=row.effect,
            name=row.name.partition("#")[0],
            state="everybody" if row.name == PUBLIC else row.state,
            ways=tuple(ways.get(row.principal_id, ())),
            nearest=near.get(row.name),
        )


def _give_reasons(user: str, entries: Iterable[RuleEntry], *, enabled: bool) -> Iterator[str]:
    if not enabled:
        yield f"{user} is disabled."
    denied = [entry for entry in entries if entry.applies and entry.effect == "deny"]
    allowed = [entry for entry in entries if entry.applies and entry.effect == "allow"]
    yield from (
        f"The rule denies {entry.name}, and a deny beats every allow: {_describe_ways(entry)}"
        for entry in denied
    )
    if not allowed:
        yield f"The rule allows neither {user} nor a group that it is in."
    elif not denied and enabled:
        yield from (f"The rule allows {entry.name}: {_describe_ways(entry)}" for entry in allowed)


def _suggest_changes(user: str, entries: Iterable[RuleEntry], *, enabled: bool) -> Iterator[str]:
    """Every step that has to be taken for the other verdict. If the document is readable, one step
    is enough.
    """
    denied = [entry for entry in entries if entry.applies and entry.effect == "deny"]
    allowed = [entry for entry in entries if entry.applies and entry.effect == "allow"]
    if enabled and allowed and not denied:
        yield f"Deny {user} in the rule, or disable it: clearance users disable {user}."
        yield from (
            f"Or, for all of these: {step}" for entry in allowed for step in _suggest_ends(entry)
        )
        return
    if not enabled:
        yield f"Enable the user: clearance users enable {user}."
    for entry in denied:
        yield from _suggest_ends(entry)
    if not allowed:
        yield f"Allow {user}, or a group that it is in, in the rule of the file, and ingest it again."
        yield from _suggest_with_present_rule(user, entries)


def _suggest_with_present_rule(user: str, entries: Iterable[RuleEntry]) -> Iterator[str]:
    """How what the rule allows already could come to mean the user."""
    for entry in entries:
        if entry.effect != "allow":
            continue
        if entry.name.startswith("group:") and entry.state == "active":
            yield f"Or put the user into {entry.name}: clearance groups join {entry.name} {user}."
        elif entry.state == "named" and entry.nearest:
            yield f"Correct {entry.name} to {entry.nearest} in the rule, if that is meant."


def _suggest_ends(entry: RuleEntry) -> Iterator[str]:
    """How an entry would cease to apply."""
    yield f"Take {entry.name} out of the rule's {entry.effect} and ingest the file again."
    last = sorted(
        {(way[-1], way[-2]) for way in entry.ways if len(way) > 1 and entry.name != PUBLIC}
    )
    direct = [
        f"{group} at the identity provider"
        if member.startswith((_TOKEN, _UNTOLD))
        else f"clearance groups leave {group} {member}"
        for group, member in last
    ]
    if direct:
        yield f"Or end what leads to {entry.name}: {'; '.join(direct)} (longer ways may remain: explain again)."


def _describe_ways(entry: RuleEntry) -> str:
    return "; ".join(_describe_way(way) for way in entry.ways) + "."


def _describe_way(way: MembershipChain) -> str:
    if len(way) == 1:
        return f"that is {way[0]}"
    return f"everybody is {PUBLIC}" if way[-1] == PUBLIC else " is in ".join(way)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentReaders:
    """Who may read a document now."""

    document: str  # public id
    path: str
    users: tuple[str, ...]  # names, sorted; disabled ones are not among them
    # groups that tokens bring people into: whoever comes with one may read, too
    external_groups: tuple[str, ...]


def find_readers(connection: Connection, document: str) -> DocumentReaders:
    """Raises NotFound, BadInput. Decided as the gates do, for everybody at once."""
    found = find_document(connection, document)
    entry = reader_set_entries.c
    rule: dict[str, set[int]] = {"allow": set(), "deny": set()}
    of_it = select(entry.effect, entry.principal_id).where(
        entry.reader_set_id == found.reader_set_id
    )
    for effect, who in connection.execute(of_it):
        rule[effect].add(who)
    allowed = _everybody_in(connection, rule["allow"])
    inside = allowed - _everybody_in(connection, rule["deny"])
    return DocumentReaders(
        document=found.public_id,
        path=found.path,
        users=_names(connection, inside, "user:", external=False),
        external_groups=_names(connection, inside, "group:", external=True),
    )


def _everybody_in(connection: Connection, named: set[int]) -> set[int]:
    """The named principals and all that are in them; everybody, if `public` is among them."""
    public = select(principals.c.id).where(principals.c.name == PUBLIC)
    if connection.scalar(public) in named:
        return set(connection.scalars(select(principals.c.id)))
    found, new = set(named), set(named)
    while new:
        below = select(memberships.c.member_id)
        members = {
            member
            for some in in_batches(sorted(new))
            for member in connection.scalars(below.where(memberships.c.group_id.in_(some)))
        }
        new = members - found
        found |= new
    return found


def _names(connection: Connection, ids: set[int], kind: str, *, external: bool) -> tuple[str, ...]:
    counted = principals.c.known == 1, principals.c.external == int(external)
    wanted = select(principals.c.name).where(principals.c.name.startswith(kind), *counted)
    return tuple(
        sorted(
            name
            for some in in_batches(sorted(ids))
            for name in connection.scalars(wanted.where(principals.c.id.in_(some)))
        )
    )


def identity_names(connection: Connection, user: str) -> frozenset[str]:
    """Names of a user and of every group that it is in. Raises NotFound."""
    found = {declared_id(connection, "user", user)}
    new = set(found)
    while new:
        above = select(memberships.c.group_id).where(memberships.c.member_id.in_(sorted(new)))
        new = set(connection.scalars(above)) - found
        found |= new
    wanted = select(principals.c.name).where(principals.c.id.in_(sorted(found)))
    return frozenset(connection.scalars(wanted))
