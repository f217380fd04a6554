"""Writing documents: text, chunks, readers and vectors together or not at all."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select, update

from indexes.catalog.access import asker_parameters, confirm, may_read
from indexes.catalog.audit.changes import readers_as_json, record_change
from indexes.catalog.changes import note_document, note_documents
from indexes.catalog.database import Database, in_batches
from indexes.catalog.document_rows import (
    check_document,
    check_unit_length,
    delete_document,
    replace_vectors,
    select_head,
    vectors_as_bytes,
    write_body,
    write_head,
    write_vectors,
)
from indexes.catalog.generations import writable_generations
from indexes.catalog.overrides import move_override, settle_readers
from indexes.catalog.prepared import Prepared
from indexes.catalog.reader_sets import (
    intern_entries,
    intern_readers,
    narrowed_entries,
    readers_by_set,
    readers_of,
)
from indexes.catalog.schema import (
    chunks,
    documents,
)
from indexes.errors import ModelMismatch
from indexes.model import (
    Actor,
    Document,
    IndexGeneration,
    Principal,
    Readers,
    StoredDocument,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

_READABLE_PATHS = Prepared(select(documents.c.path).where(may_read(documents.c.reader_set_id)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Where a document's file is now."""

    uri: str
    path: str
    readers: Readers
    modified_at: datetime | None


class Documents:
    """What is stored of documents: written by ingests, read for planning them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, document: Document, by_generation: "Mapping[int, Vectors]", *, by: Actor) -> str:
        """Insert the document, or replace the one with the same uri.

        Returns its public id, which a replacement keeps.

        by_generation: unit vectors, shape (chunks, dimension), for every generation that can be
        written. What was said of its path over HTTP holds (`overrides`). Raises ModelMismatch when
        one is missing (a rebuild began meanwhile: embed for it and put again), BadInput for vectors
        that cannot be right and for attributes that could not be asked for, Conflict if the
        document was deleted meanwhile.
        """
        check_document(document)
        with self._database.writing(by) as connection:
            wanted = writable_generations(connection)
            if not wanted:
                raise ModelMismatch(
                    "The catalog has no generation yet.", remedy="Call generations.ensure first."
                )
            blobs = {g.id: vectors_as_bytes(document, g, by_generation) for g in wanted}
            readers = settle_readers(connection, {document.uri: document.readers})[document.uri]
            document_id, public_id, touched = write_head(
                connection, replace(document, readers=readers)
            )
            write_body(connection, document_id, document)
            write_vectors(connection, document_id, blobs)
            note_document(connection, document_id, touched)
            before = None if len(touched) == 1 else readers_of(connection, touched[0])
            after = readers_as_json(document.readers)
            record_change(connection, "document.stored", public_id, before=before, after=after)
        return public_id

    def relabel(self, uri: str, readers: Readers, *, by: Actor) -> bool:
        """Change who may read the document from the next request on, without touching its text.

        False if there is no document with this uri. Its own readers hold under these, which are
        those of the rule.
        """
        with self._database.writing(by) as connection:
            found = connection.execute(select_head(uri)).first()
            if found is None:
                return False
            settled = settle_readers(connection, {uri: readers})[uri]
            put_into_set(connection, found, intern_readers(connection, settled))
        return True

    def relabel_all(self, readers: Mapping[str, Readers], *, by: Actor) -> None:
        """`relabel` for many, by uri, all or none. Raises UnknownPrincipal."""
        with self._database.writing(by) as connection:
            found = _find_heads(connection, list(readers))
            settled = settle_readers(connection, {one.uri: readers[one.uri] for one in found})
            new = {each: intern_readers(connection, each) for each in set(settled.values())}
            _put_into_sets(
                connection,
                [(one, new[settled[one.uri]]) for one in found],
            )

    def narrow_all(self, readers: Mapping[str, Readers], *, by: Actor) -> None:
        """`narrow` for many, by uri, all or none. Raises UnknownPrincipal."""
        with self._database.writing(by) as connection:
            found = _find_heads(connection, list(readers))
            new: dict[tuple[int, Readers], int] = {}
            for one in found:
                key = one.reader_set_id, readers[one.uri]
                if key not in new:
                    new[key] = intern_entries(connection, narrowed_entries(connection, *key))
            _put_into_sets(
                connection,
                [(one, new[one.reader_set_id, readers[one.uri]]) for one in found],
            )

    def narrow(self, uri: str, readers: Readers, *, by: Actor) -> bool:
        """Let only those go on reading whom these readers name, too, and deny whom they deny.

        False if there is no document with this uri.

        Decided by ids, from what is stored at this moment: whoever is denied now stays denied,
        whatever became of the name. Raises UnknownPrincipal for a new deny of somebody whom nobody
        has declared.
        """
        with self._database.writing(by) as connection:
            stored = connection.execute(select_head(uri)).first()
            if stored is None:
                return False
            entries = narrowed_entries(connection, stored.reader_set_id, readers)
            put_into_set(connection, stored, intern_entries(connection, entries))
        return True

    def delete(self, uri: str, *, by: Actor) -> bool:
        """Remove the document with its text, chunks and vectors.

        False if there is no document with this uri.
        """
        with self._database.writing(by) as connection:
            found = connection.execute(select_head(uri)).first()
            if found is None:
                return False
            delete_document(connection, found.id, found.reader_set_id)
        return True

    def move(self, uri: str, to: Moved, *, by: Actor) -> bool:
        """The same text at another place, with the readers of that place, in one step.

        Id, passages and citations stay, and its own readers go with it. False, and nothing is done,
        if the document is gone or something is at the other place already.
        """
        with self._database.writing(by) as connection:
            found = connection.execute(select_head(uri)).first()
            if found is None or connection.execute(select_head(to.uri)).first() is not None:
                return False
            if not move_override(connection, uri, to.uri):
                return False
            settled = settle_readers(connection, {to.uri: to.readers})[to.uri]
            new = intern_readers(connection, settled)
            values = {
                "uri": to.uri, "path": to.path, "modified_at": to.modified_at, "token": secrets.token_bytes(32),
                "reader_set_id": new,
            }  # fmt: skip
            connection.execute(update(documents).where(documents.c.id == found.id).values(values))
            note_document(connection, found.id, (found.reader_set_id, new))
            before, after = readers_of(connection, found.reader_set_id), readers_as_json(to.readers)
            record_change(connection, "document.moved", found.public_id, before=before, after=after)
        return True

    def add_vectors(
        self,
        generation: IndexGeneration,
        by_document: "Mapping[int, tuple[bytes, Vectors]]",
        *,
        by: Actor,
    ) -> None:
        """Vectors of a generation under construction; a document that changed since (another token)
        is left out. Raises BadInput for vectors that are not of unit length.
        """
        for _, matrix in by_document.values():
            check_unit_length(matrix)
        with self._database.writing(by) as connection:
            for document_id, (token, matrix) in by_document.items():
                same = select(documents.c.id).where(
                    documents.c.id == document_id, documents.c.token == token
                )
                if connection.scalar(same) is not None:
                    replace_vectors(
                        connection, document_id, {generation.id: matrix.astype("<f4").tobytes()}
                    )

    def paths(self, principal: Principal) -> frozenset[str]:
        """Paths of the documents that this principal may read. Raises NotAuthenticated."""
        with self._database.reading() as connection:
            confirm(connection, principal)
            rows = _READABLE_PATHS.rows(connection, asker_parameters(principal))
            return frozenset(path for (path,) in rows)

    def stored(self, prefix: str) -> dict[str, StoredDocument]:
        """What is there below a uri prefix, by uri.

        For planning an ingest run; nothing of it reaches a reader.
        """
        below = func.substr(documents.c.uri, 1, len(prefix)) == prefix
        size = select(func.count()).where(chunks.c.document_id == documents.c.id).scalar_subquery()
        of_it = documents.c
        wanted = select(
            of_it.uri, of_it.content_hash, of_it.reader_set_id, of_it.title, of_it.original_sha256,
            size.label("size"),
        ).where(below)  # fmt: skip
        with self._database.reading() as connection:
            readers = readers_by_set(connection)
            return {
                row["uri"]: StoredDocument(
                    uri=row["uri"],
                    content_hash=row["content_hash"],
                    readers=readers[row["reader_set_id"]],
                    title=row["title"],
                    chunks=row["size"],
                    original=row["original_sha256"],
                )
                for row in connection.execute(wanted).mappings()
            }


def put_into_set(connection: Connection, stored: Any, new: int) -> None:
    """The document, with its ids and the reader set that holds it, into another one."""
    _put_into_sets(connection, [(stored, new)])


def _find_heads(connection: Connection, uris: Sequence[str]) -> list[Any]:
    """(id, public id, uri, reader set) of those that are there."""
    of_it = documents.c
    wanted = select(of_it.id, of_it.public_id, of_it.uri, of_it.reader_set_id)
    return [
        row
        for batch in in_batches(uris)
        for row in connection.execute(wanted.where(documents.c.uri.in_(batch)))
    ]


def _put_into_sets(connection: Connection, moves: Sequence[tuple[Any, int]]) -> None:
    """moves: a document, with its ids and the reader set that holds it, and the one that will."""
    by_set: dict[int, list[int]] = {}
    for stored, new in moves:
        by_set.setdefault(new, []).append(stored.id)
    for new, ids in by_set.items():
        for batch in in_batches(ids):
            moved = update(documents).where(documents.c.id.in_(batch))
            connection.execute(moved.values(reader_set_id=new))
    note_documents(connection, [(stored.id, (stored.reader_set_id, new)) for stored, new in moves])
    record_relabelled(
        connection, [(stored.public_id, stored.reader_set_id, new) for stored, new in moves]
    )


def record_relabelled(connection: Connection, moves: Sequence[tuple[str, int, int]]) -> None:
    """For the record: documents by public id, the reader sets they left and those they are in now."""
    together: dict[tuple[int, int], list[str]] = {}
    for public_id, old, new in moves:
        if old != new:
            together.setdefault((old, new), []).append(public_id)
    for (old, new), ids in together.items():
        before, after = readers_of(connection, old), readers_of(connection, new)
        if len(ids) > 1:
            after["documents"] = ids
        record_change(connection, "document.relabelled", ids[0], before=before, after=after)


def deny_in_source(connection: Connection, source_id: int, denied: frozenset[str]) -> int:
    """Deny these in every document of a source, whatever else is said about it.

    Returns how many were changed.
    """
    if not denied:
        return 0
    here = connection.execute(
        select(documents.c.id, documents.c.public_id, documents.c.reader_set_id).where(
            documents.c.source_id == source_id
        )
    ).all()
    readers = readers_by_set(connection, {stored.reader_set_id for stored in here})
    narrower = {
        before: intern_entries(
            connection,
            narrowed_entries(connection, before, replace(these, deny=these.deny | denied)),
        )
        for before, these in readers.items()
    }
    changed = [stored for stored in here if narrower[stored.reader_set_id] != stored.reader_set_id]
    _put_into_sets(connection, [(one, narrower[one.reader_set_id]) for one in changed])
    return len(changed)
