"""Which files are kept as the originals of documents, and which are nobody's any more.

The files themselves are in a folder of the home (`indexes.originals`).
"""

import secrets
from collections.abc import Collection

from sqlalchemy import Connection, delete, insert, select, update

from indexes.catalog.audit.changes import record_change
from indexes.catalog.changes import note_document
from indexes.catalog.database import Database, in_batches
from indexes.catalog.schema import documents, loose_originals
from indexes.model import Actor

_OF_A_DOCUMENT = (
    select(documents.c.id).where(documents.c.original_sha256 == loose_originals.c.sha256).exists()
)


class Originals:
    """For whoever holds the lock for the corpus: nobody else stores documents meanwhile."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def expect(self, sha256: str, *, by: Actor) -> None:
        """A file will be there that is no document's yet."""
        with self._database.writing(by) as connection:
            loosen(connection, sha256)

    def kept(self) -> set[str]:
        """Files that are a document's now."""
        of_documents = select(documents.c.original_sha256)
        with self._database.reading() as connection:
            named = of_documents.where(documents.c.original_sha256.is_not(None))
            return set(connection.scalars(named))

    def unused(self) -> list[str]:
        """Files that are no document's now."""
        with self._database.reading() as connection:
            return list(connection.scalars(select(loose_originals.c.sha256).where(~_OF_A_DOCUMENT)))

    def settle(self, removed: Collection[str], *, by: Actor) -> None:
        """These are gone, and of the others on the list each is a document's."""
        with self._database.reading() as connection:
            listed = connection.scalar(select(loose_originals.c.sha256).limit(1)) is not None
        if not listed:
            return
        with self._database.writing(by) as connection:
            for some in in_batches(list(removed)):
                gone = loose_originals.c.sha256.in_(some)
                connection.execute(delete(loose_originals).where(gone))
            connection.execute(delete(loose_originals).where(_OF_A_DOCUMENT))

    def change(self, uri: str, content_hash: str, original: str | None, *, by: Actor) -> None:
        """The same document, from now on with this file kept, or with none.

        Nothing is done if the document holds something else by now.
        """
        of_it = documents.c
        wanted = select(of_it.id, of_it.public_id, of_it.reader_set_id, of_it.original_sha256)
        here = wanted.where(of_it.uri == uri, of_it.content_hash == content_hash)
        with self._database.writing(by) as connection:
            found = connection.execute(here).first()
            if found is None:
                return
            exchange_original(connection, found.original_sha256, original)
            values = {"original_sha256": original, "token": secrets.token_bytes(32)}
            connection.execute(update(documents).where(of_it.id == found.id).values(values))
            note_document(connection, found.id, (found.reader_set_id,))
            told = {"kept": original is not None}
            record_change(connection, "document.original", found.public_id, after=told)


def exchange_original(connection: Connection, before: str | None, after: str | None) -> None:
    """A document lets go of one file, if it had any, and takes another, if there is one."""
    if before is not None and before != after:
        loosen(connection, before)
    if after is not None:
        connection.execute(delete(loose_originals).where(loose_originals.c.sha256 == after))


def loosen(connection: Connection, sha256: str) -> None:
    """The file may be no document's; the next clean-up sees to it."""
    same = loose_originals.c.sha256 == sha256
    if connection.scalar(select(loose_originals.c.sha256).where(same)) is None:
        connection.execute(insert(loose_originals).values(sha256=sha256))
