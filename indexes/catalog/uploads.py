"""Uploads: what callers ask for over HTTP, decided and put down in one transaction with its job, and
what the worker that does the job needs.

The newest job that was asked for a path is the only one that has a say about it: an older one that
comes to its turn later, from a worker that was killed, does nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from indexes.catalog.access import confirm
from indexes.catalog.database import Database
from indexes.catalog.jobs import ENDED, Job, add_job
from indexes.catalog.overrides import own_columns, put_override
from indexes.catalog.own_readers import check_own, refuse_inside_archive, rule_of_place
from indexes.catalog.schema import blobs, documents, idempotency_keys, jobs, overrides, uploads
from indexes.catalog.sources import NamedSource
from indexes.catalog.writers import writable_document, writable_source
from indexes.errors import Conflict, KeyReused, NotFound, NotPermitted, Superseded, TooManyUploads
from indexes.job_kinds import UPLOAD, PathRequest
from indexes.model import Actor, OwnReaders, Principal, Scalar
from indexes.scopes import INGEST

KEYS_LIVE = timedelta(hours=24)  # a request may come again with the same Idempotency-Key
BYTES_LIVE = timedelta(hours=24)  # of a job that has ended without success, to be tried again
BLOBS_LIVE = timedelta(hours=1)  # that no upload has named yet


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob:
    """Bytes in the folder of blobs."""

    id: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an upload says of its document. None: as it is, or as the rule says."""

    own: OwnReaders | None = None
    title: str | None = None
    collection: str | None = None
    metadata: Mapping[str, Scalar] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceInSource:
    """Where a new document goes."""

    source: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyOnce:
    """An Idempotency-Key, with a digest of all that came with it."""

    key: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The job of an upload. known: the same request came before, and this is its job."""

    job_id: str
    known: bool = False


class Uploads:
    """What callers with the scope `ingest` may ask for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep_blob(
        self, blob: StoredBlob, principal: Principal, *, most_bytes: int, by: Actor
    ) -> datetime:
        """The blob is this caller's to use, until the moment that is returned.

        Raises TooManyUploads, NotAuthenticated, NotPermitted.
        """
        with self._database.writing(by) as connection:
            owner = _owner(connection, principal)
            expires_at = datetime.now(UTC) + BLOBS_LIVE
            _insert_blob(connection, blob, owner, expires_at, most_bytes)
        return expires_at

    def submit(
        self,
        target: PlaceInSource | str,
        told: Told,
        blob: StoredBlob | str,
        principal: Principal,
        *,
        once: OnlyOnce | None,
        most_bytes: int,
        by: Actor,
    ) -> Accepted:
        """A job that puts the bytes there. target: a document's id means that document's place.

        blob: the id of one that the caller has kept, or a new one.

        Raises NotFound, NotAWriter, BadInput for own readers that are no narrowing of the rule,
        KeyReused, Conflict, TooManyUploads, NotAuthenticated, NotPermitted.
        """
        with self._database.writing(by) as connection:
            owner = _owner(connection, principal)
            if once is not None and (known := _find_once(connection, owner, once)):
                return Accepted(job_id=known, known=True)
            source, uri = _find_target(connection, target, principal)
            if told.own is not None:
                own = check_own(connection, told.own, rule_of_place(connection, uri, source))
                told = replace(told, own=own)
            if told.collection is None:
                told = replace(told, collection=_collection_of(connection, uri))
            path = source.path_of(uri)
            payload = PathRequest(uri=uri, path=path).payload()
            job = add_job(connection, UPLOAD, payload, owner)
            blob_id = _use_blob(connection, blob, owner, job, most_bytes)
            _insert_upload(connection, job, uri, source.id, blob_id, told)
            put_override(connection, uri, source.id, {"newest_job": job.number})
            if once is not None:
                _insert_once(connection, owner, once, job)
        return Accepted(job_id=job.id)

    def purge(self, *, by: Actor) -> list[str]:
        """Forgets what has expired. Returns the ids of blobs whose bytes may go."""
        now = datetime.now(UTC)
        if not self._has_expired(now):
            return []
        at_work = select(jobs.c.public_id).where(jobs.c.state.not_in(sorted(ENDED)))
        unused = or_(blobs.c.job_id.is_(None), blobs.c.job_id.not_in(at_work))
        with self._database.writing(by) as connection:
            connection.execute(delete(idempotency_keys).where(idempotency_keys.c.expires_at < now))
            gone = delete(blobs).where(blobs.c.expires_at < now, unused)
            found = connection.execute(gone.returning(blobs.c.public_id, blobs.c.job_id)).all()
            ended = [row.job_id for row in found if row.job_id is not None]
            connection.execute(delete(uploads).where(uploads.c.job_id.in_(ended)))
        return [row.public_id for row in found]

    def _has_expired(self, now: datetime) -> bool:
        with self._database.reading() as connection:
            return any(
                connection.scalar(select(literal(1)).where(exists().where(column < now)))
                for column in (blobs.c.expires_at, idempotency_keys.c.expires_at)
            )

    def blob_ids(self) -> set[str]:
        """Of all blobs, used and unused."""
        with self._database.reading() as connection:
            return set(connection.scalars(select(blobs.c.public_id)))


def rename_job(connection: Connection, old: Job, new: Job) -> None:
    """Another try at an upload is made by a new job.

    Raises Conflict if the bytes are gone, or if a later upload or deletion has the say.
    """
    uri = str(old.payload["uri"])
    newest = connection.scalar(select(overrides.c.newest_job).where(overrides.c.uri == uri))
    if newest is not None and newest != old.number:
        raise Superseded()
    if old.kind == UPLOAD:
        moved = update(uploads).where(uploads.c.job_id == old.id).values(job_id=new.id)
        if connection.execute(moved).rowcount == 0:
            raise Conflict("What was uploaded is not kept any more.", remedy="Upload it again.")
        connection.execute(update(blobs).where(blobs.c.job_id == old.id).values(job_id=new.id))
    changed = update(overrides).where(overrides.c.uri == uri)
    connection.execute(changed.values(newest_job=new.number))


def _owner(connection: Connection, principal: Principal) -> int:
    """Raises NotAuthenticated, NotPermitted."""
    confirm(connection, principal, INGEST)
    if principal.id is None:
        raise NotPermitted()
    return principal.id


def _find_target(
    connection: Connection, target: PlaceInSource | str, principal: Principal
) -> tuple[NamedSource, str]:
    if isinstance(target, PlaceInSource):
        source = writable_source(connection, principal, target.source)
        return source, source.uri(target.parts)
    found = writable_document(connection, principal, target)
    refuse_inside_archive(found.uri)
    return found.source, found.uri


def _collection_of(connection: Connection, uri: str) -> str | None:
    """Of a document that is replaced: it stays where it was put."""
    return connection.scalar(select(documents.c.collection).where(documents.c.uri == uri))


def _insert_blob(
    connection: Connection, blob: StoredBlob, owner: int, expires_at: datetime, most_bytes: int
) -> None:
    waiting = select(func.coalesce(func.sum(blobs.c.size), 0)).where(blobs.c.owner_id == owner)
    if (connection.scalar(waiting) or 0) + blob.size > most_bytes:
        raise TooManyUploads("Wait until some of them are done.")
    values = {"public_id": blob.id, "owner_id": owner, "size": blob.size, "sha256": blob.sha256}
    connection.execute(insert(blobs).values(**values, expires_at=expires_at))


def _use_blob(
    connection: Connection, blob: StoredBlob | str, owner: int, job: Job, most_bytes: int
) -> str:
    """Raises NotFound, also for a blob of somebody else, and TooManyUploads."""
    now = datetime.now(UTC)
    if isinstance(blob, StoredBlob):
        _insert_blob(connection, blob, owner, now, most_bytes)
    blob_id = blob.id if isinstance(blob, StoredBlob) else blob
    mine = blobs.c.public_id == blob_id, blobs.c.owner_id == owner, blobs.c.job_id.is_(None)
    in_time = blobs.c.expires_at >= now
    used = update(blobs).where(*mine, in_time)
    values = {"job_id": job.id, "expires_at": now + BYTES_LIVE}
    if connection.execute(used.values(values)).rowcount == 0:
        raise NotFound("There is no such blob of yours.")
    return blob_id


def _insert_upload(
    connection: Connection, job: Job, uri: str, source_id: int, blob_id: str, told: Told
) -> None:
    values: dict[str, Any] = {"job_id": job.id, "uri": uri, "source_id": source_id}
    values |= {"blob_id": blob_id, "title": told.title, "collection": told.collection}
    values |= {"metadata": None if told.metadata is None else dict(told.metadata)}
    connection.execute(insert(uploads).values(**values, **own_columns(connection, told.own)))


def _find_once(connection: Connection, owner: int, once: OnlyOnce) -> str | None:
    """The job of the same request. Raises KeyReused."""
    key = idempotency_keys.c
    mine = select(key.digest, key.job_id).where(
        key.owner_id == owner, key.key == once.key, key.expires_at >= datetime.now(UTC)
    )
    found = connection.execute(mine).first()
    if found is None:
        return None
    if found.digest != once.digest:
        raise KeyReused(remedy="Send another key with another request.")
    return str(found.job_id)


def _insert_once(connection: Connection, owner: int, once: OnlyOnce, job: Job) -> None:
    key = idempotency_keys.c
    expired = delete(idempotency_keys).where(key.owner_id == owner, key.key == once.key)
    connection.execute(expired)
    values = {"owner_id": owner, "key": once.key, "digest": once.digest, "job_id": job.id}
    expires_at = datetime.now(UTC) + KEYS_LIVE
    connection.execute(insert(idempotency_keys).values(**values, expires_at=expires_at))
