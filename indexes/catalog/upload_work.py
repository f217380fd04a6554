"""What a worker reads and writes while it does an upload or removes a deleted document's file.

Each step may be done again after a kill, and leads to the same.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from indexes.catalog.audit.changes import record_change
from indexes.catalog.database import Database
from indexes.catalog.documents import put_into_set
from indexes.catalog.jobs import find_job
from indexes.catalog.overrides import (
    drop_override,
    own_columns,
    own_of_rows,
    put_override,
    rows_of,
)
from indexes.catalog.own_readers import (
    delete_documents_of_file,
    documents_of_file,
    own_as_json,
)
from indexes.catalog.reader_sets import set_under
from indexes.catalog.schema import blobs, overrides, uploads
from indexes.catalog.sources import NamedSource, find_sources
from indexes.catalog.uploads import StoredBlob
from indexes.catalog.writers import check_still_writes
from indexes.errors import Conflict, NotFound, Superseded
from indexes.model import Actor, OwnReaders


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingUpload:
    """An upload that a worker is to do."""

    uri: str
    source: NamedSource
    own: OwnReaders | None  # that were asked for
    blob: StoredBlob | None  # None: its bytes are in their place
    is_new: bool  # they are, and no file was there before

    @property
    def parts(self) -> tuple[str, ...]:
        return self.source.parts_of(self.uri)


class UploadWork:
    """For workers. They act for whoever asked, whose right is looked at when it is put down, and again
    before it is done.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, job_id: str) -> PendingUpload:
        """Raises Superseded if a later job has the say, Conflict if there is nothing left to do."""
        with self._database.reading() as connection:
            row = _upload_of(connection, job_id)
            found = connection.execute(select(blobs).where(blobs.c.public_id == row.blob_id))
            stored = found.first()
            if row.blob_id is not None and stored is None:
                raise Conflict("What was uploaded is not kept any more.")
            blob = (
                StoredBlob(id=stored.public_id, size=stored.size, sha256=stored.sha256)
                if stored is not None
                else None
            )
            source = _source_of(connection, row.source_id)
            own = own_of_rows(connection, [row])[row.uri]
        is_new = bool(row.is_new)
        return PendingUpload(uri=row.uri, source=source, own=own, blob=blob, is_new=is_new)

    def prepare(self, job_id: str, *, by: Actor) -> None:
        """Before the bytes change: what is stored is for those only whom both the old and the new
        readers allow. Raises Conflict, and NotAWriter if whoever asked may not write there any more.
        """
        with self._database.writing(by) as connection:
            row = _upload_of(connection, job_id)
            check_still_writes(connection, find_job(connection, job_id).asker_id, row.source_id)
            new = own_of_rows(connection, [row])[row.uri]
            if new is None:
                return
            over = rows_of(connection, [row.uri])
            old = own_of_rows(connection, list(over.values())).get(row.uri)
            both = new if old is None else old.and_also(new)
            put_override(connection, row.uri, row.source_id, own_columns(connection, both))
            for document in documents_of_file(connection, row.uri):
                narrower = set_under(connection, document.reader_set_id, new)
                if narrower != document.reader_set_id:
                    put_into_set(connection, document, narrower)

    def note_placed(self, job_id: str, *, is_new: bool, by: Actor) -> None:
        """The bytes are in their place: what was said of them holds. Raises Conflict."""
        with self._database.writing(by) as connection:
            row = _upload_of(connection, job_id)
            given = {name: getattr(row, name) for name in ("title", "collection", "metadata")}
            values: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
            own = own_of_rows(connection, [row])[row.uri]
            values |= own_columns(connection, own) if own is not None else {}
            put_override(connection, row.uri, row.source_id, {**values, "deleted": 0})
            mine = uploads.c.job_id == job_id
            placed = {"blob_id": None, "is_new": int(is_new)}
            connection.execute(update(uploads).where(mine).values(placed))
            connection.execute(delete(blobs).where(blobs.c.public_id == row.blob_id))
            said = {"own": None if own is None else own_as_json(own)}
            record_change(connection, "upload.placed", job_id, after=said)

    def discard(self, job_id: str, *, by: Actor) -> str | None:
        """It will never be done. Returns the id of the blob whose bytes may go."""
        with self._database.writing(by) as connection:
            gone = delete(uploads).where(uploads.c.job_id == job_id)
            connection.execute(gone)
            unused = delete(blobs).where(blobs.c.job_id == job_id).returning(blobs.c.public_id)
            return connection.scalar(unused)

    def finish(self, job_id: str, *, by: Actor) -> None:
        """Nothing is left to do, and nothing to try again."""
        with self._database.writing(by) as connection:
            connection.execute(delete(uploads).where(uploads.c.job_id == job_id))

    def take_back(self, job_id: str, *, by: Actor) -> None:
        """A new file that was removed again: as if it had never been uploaded. Raises Conflict."""
        with self._database.writing(by) as connection:
            row = _upload_of(connection, job_id)
            delete_documents_of_file(connection, row.uri)
            drop_override(connection, row.uri)
            connection.execute(delete(uploads).where(uploads.c.job_id == job_id))

    def find_deletion(self, uri: str) -> NamedSource | None:
        """The source whose file is to be removed; None if it is not, any more."""
        with self._database.reading() as connection:
            over = rows_of(connection, [uri]).get(uri)
            if over is None or not over.deleted:
                return None
            return _source_of(connection, over.source_id)

    def note_removed(self, uri: str, job_id: str, *, by: Actor) -> None:
        """The file of a deleted document is gone, and with it what was said of its path."""
        with self._database.writing(by) as connection:
            job = find_job(connection, job_id)
            delete_documents_of_file(connection, uri)  # and what a run noted of its file
            changed = update(overrides).where(overrides.c.uri == uri)
            columns = {**own_columns(connection, None), "rule_set_id": None, "deleted": 0}
            told: dict[str, Any] = {"title": None, "collection": None, "metadata": {}}
            connection.execute(changed.values(**columns, **told))
            mine = overrides.c.uri == uri, overrides.c.newest_job == job.number
            connection.execute(delete(overrides).where(*mine))


def _upload_of(connection: Connection, job_id: str) -> Row[Any]:
    """Raises Conflict."""
    row = connection.execute(select(uploads).where(uploads.c.job_id == job_id)).first()
    if row is None:
        raise Conflict("What was uploaded is not kept any more.", remedy="Upload it again.")
    over = rows_of(connection, [row.uri]).get(row.uri)
    if over is not None and over.newest_job > find_job(connection, job_id).number:
        raise Superseded()
    return row


def _source_of(connection: Connection, source_id: int) -> NamedSource:
    found = next((one for one in find_sources(connection) if one.id == source_id), None)
    if found is None:
        raise NotFound("Its source was removed.")
    return found
