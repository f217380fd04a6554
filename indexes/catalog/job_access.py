"""Jobs as callers see them: their own, or all for those who operate the service."""

from sqlalchemy import Connection, select

from indexes.catalog.access import confirm, may_read_set
from indexes.catalog.database import Database
from indexes.catalog.jobs import ENDED, Job, add_job, cancel_job, find_job, list_jobs
from indexes.catalog.schema import documents
from indexes.catalog.uploads import rename_job
from indexes.catalog.writers import may_write
from indexes.errors import Conflict, NotFound, NotPermitted
from indexes.job_kinds import INGEST, REMOVE_FILE, UPLOAD
from indexes.model import Actor, Principal
from indexes.scopes import INGEST as INGEST_SCOPE
from indexes.scopes import OPERATE

TRIED_AGAIN = frozenset({INGEST, UPLOAD, REMOVE_FILE})


class JobAccess:
    """A job may name documents: it does not exist for whoever neither asked for it nor operates."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, job_id: str, principal: Principal) -> Job:
        """Raises NotFound, absent or somebody else's, NotAuthenticated, NotPermitted."""
        with self._database.reading() as connection:
            return _find(connection, job_id, principal)

    def list(self, principal: Principal, most: int, before: str | None = None) -> list[Job]:
        """The newest first. before: the id of one of them; only older ones.

        Raises NotFound, NotAuthenticated, NotPermitted.
        """
        with self._database.reading() as connection:
            last = _find(connection, before, principal) if before is not None else None
            everyones = _operates(connection, principal)
            asker = None if everyones else _id_of(principal)
            return list_jobs(connection, most, asker_id=asker, before=last)

    def cancel(self, job_id: str, principal: Principal, *, by: Actor) -> Job:
        """Raises NotFound, Conflict for a job that has ended, NotAuthenticated, NotPermitted."""
        with self._database.writing(by) as connection:
            return cancel_job(connection, _find(connection, job_id, principal))

    def retry(self, job_id: str, principal: Principal, *, by: Actor) -> Job:
        """A new job that does the same, for whoever asked for the first.

        Raises NotFound, Conflict for a job that goes on or was done well, or that cannot be done
        again, NotAuthenticated, NotPermitted.
        """
        with self._database.writing(by) as connection:
            return _retry(connection, _find(connection, job_id, principal))

    def retry_for_operator(self, job_id: str, *, by: Actor) -> Job:
        """The same for whoever has the command line. Raises NotFound, Conflict."""
        with self._database.writing(by) as connection:
            return _retry(connection, find_job(connection, job_id))

    def document_of(self, uri: str, principal: Principal) -> str | None:
        """The public id of the document of this file, if the caller may read or write it."""
        wanted = select(documents.c.public_id, documents.c.reader_set_id, documents.c.source_id)
        with self._database.reading() as connection:
            found = connection.execute(wanted.where(documents.c.uri == uri)).first()
            if found is None:
                return None
            writes = may_write(connection, principal, found.source_id)
            reads = may_read_set(connection, principal, found.reader_set_id)
            return str(found.public_id) if writes or reads else None


def _find(connection: Connection, job_id: str, principal: Principal) -> Job:
    everyones = _operates(connection, principal)
    job = find_job(connection, job_id)
    if everyones or job.asker_id == _id_of(principal):
        return job
    raise NotFound()


def _retry(connection: Connection, old: Job) -> Job:
    well = old.state == "done" and (old.result or {}).get("succeeded", True)
    if old.kind not in TRIED_AGAIN or old.state not in ENDED or well:
        raise Conflict(f"The job is {old.state}.")
    new = add_job(connection, old.kind, old.payload, old.asker_id)
    if old.kind != INGEST:
        rename_job(connection, old, new)
    return new


def _id_of(principal: Principal) -> int:
    if principal.id is None:
        raise NotPermitted()
    return principal.id


def _operates(connection: Connection, principal: Principal) -> bool:
    """Raises NotAuthenticated, and NotPermitted without the scope that jobs need."""
    confirm(connection, principal, INGEST_SCOPE)
    try:
        confirm(connection, principal, OPERATE)
    except NotPermitted:
        return False
    return True
