"""Sources: folders under a name.

A document is known by its source and its path inside it, wherever the folder is.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

from sqlalchemy import Connection, RowMapping, delete, func, insert, literal, select, update

from indexes.catalog.audit.changes import readers_as_json, record_change
from indexes.catalog.changes import note
from indexes.catalog.database import Database
from indexes.catalog.document_rows import delete_document
from indexes.catalog.documents import deny_in_source
from indexes.catalog.reader_sets import intern_readers, readers_by_set
from indexes.catalog.schema import documents, ingest_failures, overrides, sources, uploads
from indexes.errors import AlreadyExists, BadInput, NotFound
from indexes.model import Actor, Readers

NOBODY = Readers(allow=frozenset())
_NAME = re.compile(r"[^\W_][\w.-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSource:
    """`loose`: only files named one by one, directly in the root; they are shown without its name."""

    id: int
    name: str
    root: Path  # where it was seen last, links resolved
    # what the paths of its documents begin with for readers; stays when name or root change
    shown: str
    loose: bool = False
    named: bool = False  # by an administrator; else found by an ingest
    # the outermost rule: its `allow` where nothing nearer says, its `deny` always
    readers: Readers = NOBODY
    writers: Readers = NOBODY  # who may upload, replace and delete there

    @property
    def prefix(self) -> str:
        """What the uri of each of its documents begins with."""
        return f"source:{self.id}/"

    def contains(self, place: Path, *, is_folder: bool) -> bool:
        """Whether a place belongs to this source."""
        if self.loose:
            return not is_folder and place.parent == self.root
        return place == self.root or self.root in place.parents

    def uri(self, parts: tuple[str, ...]) -> str:
        """What the document at this path inside the source is known by."""
        return self.prefix + quote(os.fsencode("/".join(parts)))

    def path(self, parts: tuple[str, ...]) -> str:
        """What readers see, as text that can be stored, whatever bytes the names have."""
        below = os.fsencode("/".join(parts)).decode("utf-8", "replace")
        return "/".join(part for part in (self.shown, below) if part) or "/"

    def parts_of(self, uri: str) -> tuple[str, ...]:
        """The path inside the source of the document with this uri: what `uri` made it from."""
        below = os.fsdecode(unquote_to_bytes(uri.removeprefix(self.prefix)))
        return tuple(below.split("/")) if below else ()

    def path_of(self, uri: str) -> str:
        """What readers see of the document with this uri."""
        below = unquote(uri.removeprefix(self.prefix), errors="replace")
        return "/".join(part for part in (self.shown, below) if part)


class Sources:
    """The sources of this installation. A file belongs to at most one of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> list[NamedSource]:
        """By name."""
        with self._database.reading() as connection:
            return find_sources(connection)

    def get(self, name: str) -> NamedSource:
        """Raises NotFound."""
        with self._database.reading() as connection:
            return _find_source(connection, name)

    def counts(self) -> dict[int, int]:
        """How many documents each source has, by its id."""
        wanted = select(documents.c.source_id, func.count()).group_by(documents.c.source_id)
        with self._database.reading() as connection:
            return {
                source: count for source, count in connection.execute(wanted) if source is not None
            }

    def find(self, place: Path, *, is_folder: bool) -> NamedSource | None:
        """The source that a place belongs to."""
        with self._database.reading() as connection:
            return _find_containing(find_sources(connection), place, is_folder)

    def add(self, name: str, root: Path, readers: Readers = NOBODY, *, by: Actor) -> NamedSource:
        """A source by an administrator.

        One that an ingest found at or below its root becomes part of it.

        Raises BadInput for a name or a root that cannot be one, AlreadyExists.
        """
        checked = source_name(name)
        with self._database.writing(by) as connection:
            known = find_sources(connection)
            if any(one.name.casefold() == checked.casefold() for one in known):
                raise AlreadyExists(f"There is a source {checked}.")
            outer = next(
                (one for one in known if not one.loose and one.contains(root, is_folder=True)), None
            )
            if outer is not None and (outer.named or outer.root != root):
                remedy = "Name another folder, or remove that source first."
                raise BadInput(
                    f"{root} belongs to the source {outer.name} ({outer.root}).", remedy=remedy
                )
            if outer is not None:  # found by an ingest before: it only gets its name and its rule
                values = {
                    "name": checked,
                    "named": 1,
                    "reader_set_id": intern_readers(connection, readers),
                }
                connection.execute(update(sources).where(sources.c.id == outer.id).values(values))
                made = _find_source(connection, checked)
            else:
                made = _make_source(connection, checked, root, readers=readers, named=True)
            record_change(connection, "source.added", checked, after=_as_json(made))
            return made

    def ensure(self, place: Path, *, is_folder: bool, by: Actor) -> NamedSource:
        """The source that a place belongs to, made now if there is none.

        Raises BadInput if a named one is below.
        """
        with self._database.writing(by) as connection:
            known = find_sources(connection)
            found = _find_containing(known, place, is_folder)
            if found is not None:
                return found
            root = place if is_folder else place.parent
            taken = {one.name.casefold() for one in known}
            wanted = root.name if is_folder else f"{root.name}-files"
            name = _free_name(wanted, taken)
            made = _make_source(connection, name, root, loose=not is_folder)
            record_change(connection, "source.found", name, after=_as_json(made))
            return made

    def rename(self, name: str, to: str, *, by: Actor) -> None:
        """Documents, their ids and what readers see stay as they are.

        Raises NotFound, AlreadyExists, BadInput.
        """
        checked = source_name(to)
        with self._database.writing(by) as connection:
            source = _find_source(connection, name)
            if any(
                one.name.casefold() == checked.casefold() and one.id != source.id
                for one in find_sources(connection)
            ):
                raise AlreadyExists(f"There is a source {checked}.")
            connection.execute(
                update(sources).where(sources.c.id == source.id).values(name=checked, named=1)
            )
            record_change(connection, "source.renamed", checked, before={"name": source.name})

    def move(self, name: str, root: Path, *, by: Actor) -> None:
        """The same documents are found at another place from now on. Raises NotFound, BadInput."""
        with self._database.writing(by) as connection:
            source = _find_source(connection, name)
            for other in find_sources(connection):
                nested = other.contains(root, is_folder=True) or root in other.root.parents
                if other.id != source.id and nested and not (other.loose or source.loose):
                    raise BadInput(f"{root} and the source {other.name} ({other.root}) overlap.")
            connection.execute(
                update(sources).where(sources.c.id == source.id).values(root=_root_as_text(root))
            )
            before, after = {"root": _root_as_text(source.root)}, {"root": _root_as_text(root)}
            record_change(connection, "source.moved", source.name, before=before, after=after)

    def set_rule(self, name: str, readers: Readers, *, by: Actor) -> int:
        """Another outermost rule.

        Whom it denies is denied at once, in every document; returns in how many of them.

        What it allows, and what it denies no longer, is decided with each file's own rule by the
        next ingest. Raises NotFound.
        """
        with self._database.writing(by) as connection:
            source = _find_source(connection, name)
            values = {"reader_set_id": intern_readers(connection, readers), "named": 1}
            connection.execute(update(sources).where(sources.c.id == source.id).values(values))
            record_change(
                connection,
                "source.rule_set",
                source.name,
                before=readers_as_json(source.readers),
                after=readers_as_json(readers),
            )
            return deny_in_source(connection, source.id, readers.deny - source.readers.deny)

    def set_writers(self, name: str, writers: Readers, *, by: Actor) -> None:
        """Who may upload to it, replace and delete there, over HTTP, from the next request on.

        Raises NotFound, BadInput for the loose files of a folder, UnknownPrincipal for a deny of
        somebody whom nobody has declared.
        """
        with self._database.writing(by) as connection:
            source = _find_source(connection, name)
            if source.loose:
                remedy = "Make its folder a source: clearance sources add NAME FOLDER"
                raise BadInput(f"{source.name} is of single files.", remedy=remedy)
            values = {"writer_set_id": intern_readers(connection, writers), "named": 1}
            connection.execute(update(sources).where(sources.c.id == source.id).values(values))
            record_change(
                connection,
                "source.writers_set",
                source.name,
                before=readers_as_json(source.writers),
                after=readers_as_json(writers),
            )

    def remove(self, name: str, *, by: Actor) -> int:
        """The source and all its documents go, at once. Returns how many there were.

        Raises NotFound.
        """
        with self._database.writing(by) as connection:
            source = _find_source(connection, name)
            here = select(documents.c.id, documents.c.reader_set_id).where(
                documents.c.source_id == source.id
            )
            gone = connection.execute(here).all()
            for document_id, reader_set_id in gone:
                delete_document(connection, document_id, reader_set_id)
            for table in (ingest_failures, overrides, uploads):
                connection.execute(delete(table).where(table.c.source_id == source.id))
            connection.execute(delete(sources).where(sources.c.id == source.id))
            before = {**_as_json(source), "documents": len(gone)}
            record_change(connection, "source.removed", source.name, before=before)
        return len(gone)


class Failures:
    """Why files are not in the catalog as they are, as the last run said, by uri. For operators."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: set[str] | None = None  # what may have to be cleared; read at the first need

    def note(
        self, uri: str, *, path: str, status: str, reason: str, remedy: str | None, by: Actor
    ) -> None:
        """Keep why this file is not stored as it is. Replaces what was kept before."""
        with self._database.writing(by) as connection:
            _note_failure(connection, uri, path=path, status=status, reason=reason, remedy=remedy)
        self._known().add(uri)

    def note_gone(self, files: Iterable[tuple[str, str]], *, by: Actor) -> None:
        """Uris and paths of stored documents whose files are not there any more."""
        reason, remedy = "Its file is not there any more.", "clearance ingest --prune removes it."
        for uri, path in files:
            if uri not in self._known():
                self.note(uri, path=path, status="gone", reason=reason, remedy=remedy, by=by)

    def clear(self, uri: str, *, by: Actor) -> None:
        """Forget what was kept of this file, if anything was."""
        if uri in self._known():
            with self._database.writing(by) as connection:
                connection.execute(delete(ingest_failures).where(ingest_failures.c.uri == uri))
            self._known().discard(uri)

    def _known(self) -> set[str]:
        if self._noted is None:
            with self._database.reading() as connection:
                self._noted = set(connection.scalars(select(ingest_failures.c.uri)))
        return self._noted


def _note_failure(connection: Connection, uri: str, **values: str | None) -> None:
    head = uri.partition("/")[0]
    source_id = int(head.removeprefix("source:")) if head.startswith("source:") else None
    connection.execute(delete(ingest_failures).where(ingest_failures.c.uri == uri))
    added = insert(ingest_failures).values(
        uri=uri, source_id=source_id, failed_at=datetime.now(UTC), **values
    )
    connection.execute(added)


def source_name(name: str) -> str:
    """Raises BadInput for what cannot be the name of a source."""
    normal = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(normal):
        raise BadInput(
            f"{name!r} is no name of a source.",
            remedy="Use letters, digits, dots, dashes, underscores.",
        )
    return normal


def _free_name(wanted: str, taken: set[str]) -> str:
    plain = (
        re.sub(r"[^\w.-]+", "-", os.fsencode(wanted).decode("utf-8", "ignore"))
        .strip("-._")
        .lower()[:90]
    )
    plain = unicodedata.normalize("NFC", plain) or "files"
    names = (plain if number == 1 else f"{plain}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name.casefold() not in taken)


def _find_containing(known: list[NamedSource], place: Path, is_folder: bool) -> NamedSource | None:
    """The one whose root is nearest; a folder before the loose files in it."""
    found = [one for one in known if one.contains(place, is_folder=is_folder)]
    return max(found, key=lambda one: (len(one.root.parts), not one.loose), default=None)


def _make_source(
    connection: Connection,
    name: str,
    root: Path,
    *,
    readers: Readers = NOBODY,
    named: bool = False,
    loose: bool = False,
) -> NamedSource:
    """With all that an ingest found at or below the root before, ids and citations kept."""
    inner = (
        []
        if loose
        else [
            one for one in find_sources(connection) if one.root == root or root in one.root.parents
        ]
    )
    if barred := next((one for one in inner if one.named), None):
        remedy = "Ingest what is beside it by its own name, or remove that source first."
        raise BadInput(f"The source {barred.name} ({barred.root}) is below {root}.", remedy=remedy)
    shown = "" if loose else os.fsencode(root.name).decode("utf-8", "replace")
    values = {
        "name": name,
        "root": _root_as_text(root),
        "shown": shown,
        "loose": int(loose),
        "named": int(named),
    }
    added = (
        insert(sources)
        .values(reader_set_id=intern_readers(connection, readers), **values)
        .returning(sources.c.id)
    )
    made = NamedSource(
        id=connection.execute(added).scalar_one(), name=name, root=root, shown=shown, loose=loose, named=named,
        readers=readers,
    )  # fmt: skip
    for one in inner:
        _adopt_source(connection, made, one)
    return made


def _adopt_source(connection: Connection, outer: NamedSource, inner: NamedSource) -> None:
    way = inner.root.relative_to(outer.root).parts
    prefix = outer.uri((*way, "")) if way else outer.prefix
    for table in (documents, ingest_failures, overrides, uploads):
        moved = literal(prefix) + func.substr(table.c.uri, len(inner.prefix) + 1)
        there = table.c.source_id == inner.id
        connection.execute(update(table).where(there).values(uri=moved, source_id=outer.id))
    connection.execute(delete(sources).where(sources.c.id == inner.id))
    note(connection, "access")


def _as_json(source: NamedSource) -> dict[str, Any]:
    told = {"root": _root_as_text(source.root), "rule": readers_as_json(source.readers)}
    return told | {"writers": readers_as_json(source.writers)}


def find_sources(connection: Connection) -> list[NamedSource]:
    rows = connection.execute(select(sources).order_by(sources.c.name)).mappings().all()
    sets = {row[name] for row in rows for name in ("reader_set_id", "writer_set_id")}
    readers = readers_by_set(connection, sets - {None})
    return [_source_of(row, readers) for row in rows]


def _find_source(connection: Connection, name: str) -> NamedSource:
    for one in find_sources(connection):
        if one.name.casefold() == unicodedata.normalize("NFC", name).casefold():
            return one
    raise NotFound(f"There is no source {name}.", remedy="See: clearance sources list")


def _source_of(row: RowMapping, readers: Mapping[int, Readers]) -> NamedSource:
    return NamedSource(
        id=row["id"],
        name=row["name"],
        root=Path(os.fsdecode(unquote_to_bytes(row["root"]))),
        shown=row["shown"],
        loose=bool(row["loose"]),
        named=bool(row["named"]),
        readers=readers[row["reader_set_id"]],
        writers=readers.get(row["writer_set_id"], NOBODY),
    )


def _root_as_text(root: Path) -> str:
    return quote(os.fsencode(root))
