"""What was said of single paths over HTTP: own readers, a title, and that there is no document.

It belongs to a path in a source and holds for whatever file is there, in each run. Whatever writes
readers of a document asks here, in the same transaction, so that a run which planned before cannot
bring back what was taken away meanwhile.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from indexes.catalog.database import Database, in_batches
from indexes.catalog.reader_sets import intern_readers, readers_by_set
from indexes.catalog.schema import overrides
from indexes.errors import Conflict
from indexes.formats import INSIDE
from indexes.model import Actor, OwnReaders, Readers, Scalar

NO_OWN, OWN_DENY, OWN_RULE = 0, 1, 2  # `own_kind`


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What was said of one path."""

    own: OwnReaders | None
    title: str | None
    collection: str | None
    metadata: Mapping[str, Scalar]
    deleted: bool


class Overrides:
    """For runs of the ingest side."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def below(self, prefix: str) -> dict[str, Override]:
        """By uri, of the paths whose uri begins so."""
        begins = func.substr(overrides.c.uri, 1, len(prefix)) == prefix
        with self._database.reading() as connection:
            rows = connection.execute(select(overrides).where(begins)).all()
            own = own_of_rows(connection, rows)
        return {row.uri: _override_of(row, own[row.uri]) for row in rows}

    def note_rules(self, rules: Mapping[str, Readers], *, by: Actor) -> None:
        """Keep which rule a run found for these paths: their own readers are changed under it.

        Raises UnknownPrincipal for a deny of somebody whom nobody has declared.
        """
        with self._database.writing(by) as connection:
            for row in rows_of(connection, rules).values():
                note_rule(connection, row, rules[row.uri])


def uris_over(uri: str) -> tuple[str, ...]:
    """The paths whose overrides hold for a document: its own, and that of its archive."""
    archive, inside, _ = uri.partition(INSIDE)
    return (archive, uri) if inside else (uri,)


def rows_of(connection: Connection, uris: Iterable[str]) -> dict[str, Row[Any]]:
    """The overrides of these very paths, by uri."""
    return {
        row.uri: row
        for batch in in_batches(sorted(set(uris)))
        for row in connection.execute(select(overrides).where(overrides.c.uri.in_(batch)))
    }


def own_of_rows(connection: Connection, rows: Collection[Row[Any]]) -> dict[str, OwnReaders | None]:
    """By uri; None if a path has no readers of its own."""
    readers = readers_by_set(
        connection, {row.own_set_id for row in rows if row.own_set_id is not None}
    )
    return {row.uri: _own(row.own_kind, readers.get(row.own_set_id)) for row in rows}


def own_readers(connection: Connection, uri: str) -> OwnReaders | None:
    rows = rows_of(connection, [uri])
    return own_of_rows(connection, list(rows.values())).get(uri)


def own_columns(connection: Connection, own: OwnReaders | None) -> dict[str, int | None]:
    """As a row keeps them. Raises UnknownPrincipal."""
    if own is None:
        return {"own_kind": NO_OWN, "own_set_id": None}
    readers = Readers(allow=own.allow or frozenset(), deny=own.deny)
    kind = OWN_DENY if own.allow is None else OWN_RULE
    return {"own_kind": kind, "own_set_id": intern_readers(connection, readers)}


def put_override(
    connection: Connection, uri: str, source_id: int, values: Mapping[str, Any]
) -> None:
    """Writes these columns; the path need not have an override yet."""
    changed = connection.execute(update(overrides).where(overrides.c.uri == uri).values(values))
    if changed.rowcount == 0:
        nothing = {"own_kind": NO_OWN, "metadata": {}, "deleted": 0, "newest_job": 0}
        given = {**nothing, **values, "uri": uri, "source_id": source_id}
        connection.execute(insert(overrides).values(given))


def move_override(connection: Connection, uri: str, to: str) -> bool:
    """What was said of a path, for another one. False if something was said of either that another
    path has no use for: of the new one, or of the archive that the file was in.
    """
    said = rows_of(connection, {*uris_over(uri), *uris_over(to)})
    if not said:
        return True
    if set(said) != {uri} or said[uri].deleted:
        return False
    connection.execute(update(overrides).where(overrides.c.uri == uri).values(uri=to))
    return True


def drop_override(connection: Connection, uri: str) -> None:
    connection.execute(delete(overrides).where(overrides.c.uri == uri))


def note_rule(connection: Connection, row: Row[Any], rule: Readers) -> None:
    """For a path with own readers; of any other the document's readers are those of the rule.

    Raises UnknownPrincipal.
    """
    if row.own_kind == NO_OWN:
        return
    rule_set = intern_readers(connection, rule)
    if rule_set != row.rule_set_id:
        changed = update(overrides).where(overrides.c.uri == row.uri)
        connection.execute(changed.values(rule_set_id=rule_set))


def settle_readers(connection: Connection, rules: Mapping[str, Readers]) -> dict[str, Readers]:
    """Who may read these documents if these rules, by uri, hold for their places. Keeps the rules.

    Raises Conflict if there is to be no document: it was deleted since the run began.
    """
    found = rows_of(connection, {over for uri in rules for over in uris_over(uri)})
    if not found:
        return dict(rules)
    own = own_of_rows(connection, list(found.values()))
    settled: dict[str, Readers] = {}
    for uri, rule in rules.items():
        readers = rule
        for over in uris_over(uri):
            if over in found:
                _refuse_deleted(found[over])
                note_rule(connection, found[over], rule)
                narrows = own[over]
                readers = narrows.under(readers) if narrows else readers
        settled[uri] = readers
    return settled


def _refuse_deleted(row: Row[Any]) -> None:
    if row.deleted:
        raise Conflict("It was deleted.", remedy="A worker removes its file.")


def _own(kind: int, readers: Readers | None) -> OwnReaders | None:
    if kind == NO_OWN or readers is None:
        return None
    allow, deny = (_still_there(names) for names in (readers.allow, readers.deny))
    return OwnReaders(allow=allow if kind == OWN_RULE else None, deny=deny)


def _still_there(names: frozenset[str]) -> frozenset[str]:
    """Without those that were removed, who have a mark in their names that no rule may have."""
    return frozenset(name for name in names if "#" not in name)


def _override_of(row: Row[Any], own: OwnReaders | None) -> Override:
    return Override(
        own=own,
        title=row.title,
        collection=row.collection,
        metadata=row.metadata,
        deleted=bool(row.deleted),
    )
