"""Writing documents: text, chunks, readers and vectors together or not at all."""

import hashlib
import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from indexes import attributes
from indexes.catalog.access import asker_parameters, confirm, may_read
from indexes.catalog.changes import note, note_document, note_documents
from indexes.catalog.database import Database, Prepared, in_batches
from indexes.catalog.generations import writable_generations
from indexes.catalog.people import principal_ids
from indexes.catalog.schema import (
    chunks,
    document_texts,
    documents,
    principals,
    reader_set_entries,
    reader_sets,
    vectors,
)
from indexes.errors import BadInput, ModelMismatch
from indexes.model import (
    Actor,
    Chunk,
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
_UNIT_TOLERANCE = 1e-3
MAX_VECTOR_BYTES = 900_000_000  # of one document; a database takes no value beyond a gigabyte

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
        written. Raises ModelMismatch when one is missing (a rebuild began meanwhile: embed for it
        and put again), BadInput for vectors that cannot be right and for attributes that could not
        be asked for.
        """
        _check_document(document)
        with self._database.writing(by) as connection:
            wanted = writable_generations(connection)
            if not wanted:
                raise ModelMismatch(
                    "The catalog has no generation yet.", remedy="Call generations.ensure first."
                )
            blobs = {g.id: _vectors_as_bytes(document, g, by_generation) for g in wanted}
            document_id, public_id, touched = _write_head(connection, document)
            _write_body(connection, document_id, document)
            _write_vectors(connection, document_id, blobs)
            note_document(connection, document_id, touched)
        return public_id

    def relabel(self, uri: str, readers: Readers, *, by: Actor) -> bool:
        """Change who may read the document from the next request on, without touching its text.

        False if there is no document with this uri.
        """
        with self._database.writing(by) as connection:
            found = connection.execute(_select_head(uri)).first()
            if found is None:
                return False
            new = intern_readers(connection, readers)
            connection.execute(
                update(documents).where(documents.c.id == found.id).values(reader_set_id=new)
            )
            note_document(connection, found.id, (found.reader_set_id, new))
        return True

    def relabel_all(self, readers: Mapping[str, Readers], *, by: Actor) -> None:
        """`relabel` for many, by uri, all or none. Raises UnknownPrincipal."""
        with self._database.writing(by) as connection:
            new = {each: intern_readers(connection, each) for each in set(readers.values())}
            found = _find_heads(connection, list(readers))
            _put_into_sets(
                connection,
                [(one.id, one.reader_set_id, new[readers[one.uri]]) for one in found],
            )

    def narrow_all(self, readers: Mapping[str, Readers], *, by: Actor) -> None:
        """`narrow` for many, by uri, all or none. Raises UnknownPrincipal."""
        with self._database.writing(by) as connection:
            found = _find_heads(connection, list(readers))
            new: dict[tuple[int, Readers], int] = {}
            for one in found:
                key = one.reader_set_id, readers[one.uri]
                if key not in new:
                    new[key] = _intern_entries(connection, narrowed_entries(connection, *key))
            _put_into_sets(
                connection,
                [
                    (one.id, one.reader_set_id, new[one.reader_set_id, readers[one.uri]])
                    for one in found
                ],
            )

    def narrow(self, uri: str, readers: Readers, *, by: Actor) -> bool:
        """Let only those go on reading whom these readers name, too, and deny whom they deny.

        False if there is no document with this uri.

        Decided by ids, from what is stored at this moment: whoever is denied now stays denied,
        whatever became of the name. Raises UnknownPrincipal for a new deny of somebody whom nobody
        has declared.
        """
        with self._database.writing(by) as connection:
            found = connection.execute(
                select(documents.c.id, documents.c.reader_set_id).where(documents.c.uri == uri)
            )
            stored = found.first()
            if stored is None:
                return False
            entries = narrowed_entries(connection, stored.reader_set_id, readers)
            new = _intern_entries(connection, entries)
            connection.execute(
                update(documents).where(documents.c.id == stored.id).values(reader_set_id=new)
            )
            note_document(connection, stored.id, (stored.reader_set_id, new))
        return True

    def delete(self, uri: str, *, by: Actor) -> bool:
        """Remove the document with its text, chunks and vectors.

        False if there is no document with this uri.
        """
        with self._database.writing(by) as connection:
            found = connection.execute(_select_head(uri)).first()
            if found is None:
                return False
            delete_document(connection, found.id, found.reader_set_id)
        return True

    def move(self, uri: str, to: Moved, *, by: Actor) -> bool:
        """The same text at another place, with the readers of that place, in one step.

        Id, passages and citations stay. False, and nothing is done, if the document is gone or
        something is at the other place already.
        """
        with self._database.writing(by) as connection:
            found = connection.execute(_select_head(uri)).first()
            if found is None or connection.execute(_select_head(to.uri)).first() is not None:
                return False
            new = intern_readers(connection, to.readers)
            values = {
                "uri": to.uri, "path": to.path, "modified_at": to.modified_at, "token": secrets.token_bytes(32),
                "reader_set_id": new,
            }  # fmt: skip
            connection.execute(update(documents).where(documents.c.id == found.id).values(values))
            note_document(connection, found.id, (found.reader_set_id, new))
        return True

    def add_vectors(
        self,
        generation: IndexGeneration,
        by_document: "Mapping[int, tuple[bytes, Vectors]]",
        *,
        by: Actor,
    ) -> None:
        """Vectors of a generation under construction; a document that changed since (another token)
        is left out.
        """
        with self._database.writing(by) as connection:
            for document_id, (token, matrix) in by_document.items():
                same = select(documents.c.id).where(
                    documents.c.id == document_id, documents.c.token == token
                )
                if connection.scalar(same) is not None:
                    _replace_vectors(
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
            of_it.uri, of_it.content_hash, of_it.reader_set_id, of_it.title, size.label("size")
        ).where(below)
        with self._database.reading() as connection:
            readers = readers_by_set(connection)
            return {
                row["uri"]: StoredDocument(
                    uri=row["uri"],
                    content_hash=row["content_hash"],
                    readers=readers[row["reader_set_id"]],
                    title=row["title"],
                    chunks=row["size"],
                )
                for row in connection.execute(wanted).mappings()
            }


def _check_document(document: Document) -> None:
    """Raises BadInput for attributes that a database would refuse or a filter could not name."""
    texts = [
        ("uri", document.uri, attributes.MAX_PATH_CHARS),
        ("path", document.path, attributes.MAX_PATH_CHARS),
        ("title", document.title, attributes.MAX_PATH_CHARS),
        ("collection", document.collection, attributes.MAX_NAME_CHARS),
        ("media type", document.media_type, attributes.MAX_NAME_CHARS),
        ("language", document.language, attributes.MAX_LANGUAGE_CHARS),
    ]
    for name, text, most in texts:
        if text is not None and (wrong := attributes.text_problem(text, most)):
            raise BadInput(f"The document's {name} {wrong}.")
    if wrong := attributes.metadata_problem(document.metadata):
        raise BadInput(f"The document's metadata {wrong}.")
    if document.modified_at is not None and (
        wrong := attributes.moment_problem(document.modified_at)
    ):
        raise BadInput(f"The document's time of change {wrong}.")


def _vectors_as_bytes(
    document: Document,
    generation: IndexGeneration,
    by_generation: "Mapping[int, Vectors]",
) -> bytes:
    import numpy as np

    matrix = by_generation.get(generation.id)
    if matrix is None:
        raise ModelMismatch(
            f"There are no vectors of {generation.model} for {document.path}.",
            remedy="Embed it for every generation.",
        )
    if matrix.shape != (len(document.chunks), generation.dimension):
        raise BadInput(
            f"The vectors have shape {matrix.shape}, not {(len(document.chunks), generation.dimension)}."
        )
    if 4 * matrix.size > MAX_VECTOR_BYTES:
        raise BadInput(f"It has {len(document.chunks):,} passages, more than one document may.")
    # NaN fails this too
    if not np.all(np.abs(np.linalg.norm(matrix, axis=1) - 1) < _UNIT_TOLERANCE):
        raise BadInput("The vectors are not of unit length.")
    return matrix.astype("<f4").tobytes()


def _select_head(uri: str) -> Select[Any]:
    return select(documents.c.id, documents.c.public_id, documents.c.reader_set_id).where(
        documents.c.uri == uri
    )


def _find_heads(connection: Connection, uris: Sequence[str]) -> list[Any]:
    """(id, uri, reader set) of those that are there."""
    wanted = select(documents.c.id, documents.c.uri, documents.c.reader_set_id)
    return [
        row
        for batch in in_batches(uris)
        for row in connection.execute(wanted.where(documents.c.uri.in_(batch)))
    ]


def _put_into_sets(connection: Connection, moves: Sequence[tuple[int, int, int]]) -> None:
    """moves: document, the reader set that holds it, the one that will."""
    by_set: dict[int, list[int]] = {}
    for document_id, _, new in moves:
        by_set.setdefault(new, []).append(document_id)
    for new, ids in by_set.items():
        for batch in in_batches(ids):
            moved = update(documents).where(documents.c.id.in_(batch))
            connection.execute(moved.values(reader_set_id=new))
    note_documents(connection, [(document_id, (old, new)) for document_id, old, new in moves])


def _write_head(connection: Connection, document: Document) -> tuple[int, str, tuple[int, ...]]:
    """(id, public id, the reader sets that held it before and hold it now)"""
    reader_set_id = intern_readers(connection, document.readers)
    values = {
        "path": document.path,
        "collection": document.collection,
        "title": document.title,
        "media_type": document.media_type,
        "language": document.language,
        "content_hash": document.content_hash,
        "page_kind": document.page_kind,
        "pages": _page_map(document),
        "metadata": dict(document.metadata),
        "metadata_digests": " ".join(
            sorted(attributes.metadata_digest(*item) for item in document.metadata.items())
        ),
        "modified_at": document.modified_at,
        "stored_at": datetime.now(UTC),
        "reader_set_id": reader_set_id,
        "token": secrets.token_bytes(32),
        "source_id": document.source_id,
        "losses": [asdict(loss) for loss in document.losses],
    }
    found = connection.execute(_select_head(document.uri)).first()
    if found is not None:
        _delete_body(connection, found.id)
        connection.execute(update(documents).where(documents.c.id == found.id).values(values))
        return found.id, found.public_id, (found.reader_set_id, reader_set_id)
    public_id = new_public_id()
    added = (
        insert(documents)
        .values(uri=document.uri, public_id=public_id, **values)
        .returning(documents.c.id)
    )
    return connection.execute(added).scalar_one(), public_id, (reader_set_id,)


def _page_map(document: Document) -> list[list[int | str | None]]:
    marks = {
        mark.number: mark for chunk in reversed(document.chunks) for mark in reversed(chunk.pages)
    }
    return [
        [mark.start, mark.number, mark.name]
        for mark in sorted(marks.values(), key=lambda mark: mark.start)
    ]


def _write_body(connection: Connection, document_id: int, document: Document) -> None:
    connection.execute(insert(document_texts).values(document_id=document_id, text=document.text))
    for some in in_batches(document.chunks):  # a row is held twice or more until it is written
        connection.execute(insert(chunks), [_chunk_row(document_id, chunk) for chunk in some])


def _chunk_row(document_id: int, chunk: Chunk) -> dict[str, Any]:
    return {
        "public_id": new_public_id(),
        "document_id": document_id,
        "ordinal": chunk.ordinal,
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "section": list(chunk.section),
        "pages": [[mark.start, mark.number, mark.name] for mark in chunk.pages],
        "embedded": chunk.embedded or chunk.text,
        "words": chunk.words,
        "header": chunk.header,
        "headings": [[mark.start, list(mark.section)] for mark in chunk.headings],
        "tables": [[mark.start, mark.body, mark.end] for mark in chunk.tables],
    }


def _write_vectors(connection: Connection, document_id: int, blobs: Mapping[int, bytes]) -> None:
    rows = [
        {"generation_id": g, "document_id": document_id, "vectors": blob}
        for g, blob in blobs.items()
    ]
    if rows:
        connection.execute(insert(vectors), rows)


def _replace_vectors(connection: Connection, document_id: int, blobs: Mapping[int, bytes]) -> None:
    of_these = vectors.c.document_id == document_id, vectors.c.generation_id.in_(list(blobs))
    connection.execute(delete(vectors).where(*of_these))
    _write_vectors(connection, document_id, blobs)


def delete_document(connection: Connection, document_id: int, reader_set_id: int) -> None:
    """Remove the document that this reader set holds, with its text, chunks and vectors."""
    _delete_body(connection, document_id)
    connection.execute(delete(documents).where(documents.c.id == document_id))
    note_document(connection, document_id, (reader_set_id,))


def _delete_body(connection: Connection, document_id: int) -> None:
    for table in (vectors, chunks, document_texts):
        connection.execute(delete(table).where(table.c.document_id == document_id))


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
    return _intern_entries(connection, entries)


def _intern_entries(connection: Connection, entries: list[tuple[str, int]]) -> int:
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


def deny_in_source(connection: Connection, source_id: int, denied: frozenset[str]) -> int:
    """Deny these in every document of a source, whatever else is said about it.

    Returns how many were changed.
    """
    if not denied:
        return 0
    here = connection.execute(
        select(documents.c.id, documents.c.reader_set_id).where(documents.c.source_id == source_id)
    ).all()
    readers = readers_by_set(connection, {stored.reader_set_id for stored in here})
    narrower = {
        before: _intern_entries(
            connection,
            narrowed_entries(connection, before, replace(these, deny=these.deny | denied)),
        )
        for before, these in readers.items()
    }
    changed = [stored for stored in here if narrower[stored.reader_set_id] != stored.reader_set_id]
    for stored in changed:
        new = narrower[stored.reader_set_id]
        connection.execute(
            update(documents).where(documents.c.id == stored.id).values(reader_set_id=new)
        )
        note_document(connection, stored.id, (stored.reader_set_id, new))
    return len(changed)


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


def new_public_id() -> str:
    """An id that says nothing and cannot be guessed."""
    return secrets.token_urlsafe(15)
