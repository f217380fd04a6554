"""Reader sets: each distinct set of readers once, as a small number that many documents share."""

import hashlib
import json
from collections.abc import Collection

from sqlalchemy import Connection, insert, select

from indexes.catalog.audit.changes import readers_as_json
from indexes.catalog.changes import note
from indexes.catalog.names import principal_ids
from indexes.catalog.schema import principals, reader_set_entries, reader_sets
from indexes.model import OwnReaders, Readers


def intern_readers(connection: Connection, readers: Readers) -> int:
    """The id of this set of readers, made now if it is new.

    Sets are told apart by principals, not by spelling.

    Raises UnknownPrincipal if it denies somebody whom nobody has declared.
    """
    entries = [
        (effect, principal_id)
        for effect, names in (("allow", readers.allow), ("deny", readers.deny))
        for principal_id in sorted(set(principal_ids(connection, names, effect).values()))
    ]
    return intern_entries(connection, entries)


def intern_entries(connection: Connection, entries: list[tuple[str, int]]) -> int:
    """The id of the set with exactly these entries: allowed ids ascending, then denied ones."""
    fingerprint = hashlib.sha256(json.dumps(entries).encode()).hexdigest()
    found: int | None = connection.scalar(
        select(reader_sets.c.id).where(reader_sets.c.fingerprint == fingerprint)
    )
    if found is not None:
        return found
    added = insert(reader_sets).values(fingerprint=fingerprint).returning(reader_sets.c.id)
    new: int = connection.execute(added).scalar_one()
    if entries:
        rows = [
            {"reader_set_id": new, "effect": effect, "principal_id": who} for effect, who in entries
        ]
        connection.execute(insert(reader_set_entries), rows)
    note(connection, "access")
    return new


def set_under(
    connection: Connection,
    rule_set: int,
    own: OwnReaders | None,
    denied: frozenset[str] = frozenset(),
) -> int:
    """The set of those whom a stored rule and own readers both allow. denied: whom else to deny.

    Decided by ids: whoever is denied now stays denied, whatever became of the name. Raises
    UnknownPrincipal for a new deny of somebody whom nobody has declared.
    """
    rule = readers_by_set(connection, [rule_set])[rule_set]
    both = own.under(rule) if own else rule
    entry = reader_set_entries.c
    stored = select(entry.effect, entry.principal_id).where(entry.reader_set_id == rule_set)
    ids: dict[str, set[int]] = {"allow": set(), "deny": set()}
    for effect, who in connection.execute(stored):
        ids[effect].add(who)
    if both.allow != rule.allow:
        ids["allow"] = set(principal_ids(connection, both.allow).values())
    new = (both.deny | denied) - rule.deny
    ids["deny"] |= set(principal_ids(connection, new, "deny").values())
    return intern_entries(
        connection, [(effect, who) for effect in ("allow", "deny") for who in sorted(ids[effect])]
    )


def narrowed_entries(
    connection: Connection, reader_set: int, readers: Readers
) -> list[tuple[str, int]]:
    """What is left of a stored set under these readers, whose names are as the set tells them or as
    rules say them.
    """
    entry = reader_set_entries.c
    wanted = select(entry.effect, entry.principal_id, principals.c.name).where(
        entry.reader_set_id == reader_set
    )
    allowed: dict[int, str] = {}
    denied: dict[int, str] = {}
    for effect, who, name in connection.execute(wanted.join(principals)):
        (allowed if effect == "allow" else denied)[who] = name
    meant = set(principal_ids(connection, readers.allow - set(allowed.values())).values())
    new = set(principal_ids(connection, readers.deny - set(denied.values()), "deny").values())
    kept = {who for who, name in allowed.items() if name in readers.allow or who in meant}
    return [("allow", who) for who in sorted(kept)] + [
        ("deny", who) for who in sorted({*denied, *new})
    ]


def readers_of(connection: Connection, reader_set: int) -> dict[str, list[str]]:
    """One set, as records tell a rule."""
    return readers_as_json(readers_by_set(connection, {reader_set})[reader_set])


def readers_by_set(
    connection: Connection, only: Collection[int] | None = None
) -> dict[int, Readers]:
    """The readers of each set; only: of these few."""
    entry = reader_set_entries.c
    sets, wanted = (
        select(reader_sets.c.id),
        select(entry.reader_set_id, entry.effect, principals.c.name),
    )
    if only is not None:
        sets, wanted = (
            sets.where(reader_sets.c.id.in_(only)),
            wanted.where(entry.reader_set_id.in_(only)),
        )
    names: dict[int, dict[str, set[str]]] = {
        i: {"allow": set(), "deny": set()} for i in connection.scalars(sets)
    }
    wanted = wanted.join(principals)
    for set_id, effect, name in connection.execute(wanted):
        names[set_id][effect].add(name)
    return {
        i: Readers(allow=frozenset(n["allow"]), deny=frozenset(n["deny"])) for i, n in names.items()
    }
