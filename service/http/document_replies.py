"""What callers get who bring documents in, and lists of documents."""

from datetime import datetime
from typing import Self

from pydantic import Field

from indexes.catalog.jobs import ENDED, Job, JobState
from indexes.catalog.listing import DocumentState
from service.http.replies import EntryReply, Reply


class AcceptedReply(Reply):
    """What was asked for is put down, and a worker does it. `Location` says how far it is."""

    job: str


class BlobReply(Reply):
    id: str = Field(description="Yours alone, for one upload.")
    size: int
    sha256: str
    expires_at: datetime


class FileReply(Reply):
    """What came of one file."""

    path: str
    status: str
    reason: str | None
    remedy: str | None
    warnings: tuple[str, ...]


class WorkReply(Reply):
    """A job of the caller."""

    id: str
    kind: str
    state: JobState
    succeeded: bool | None = Field(description="null: it has not ended.")
    path: str | None
    document_id: str | None = Field(description="If you may read or write it.")
    done: int
    total: int
    files: tuple[FileReply, ...]
    error: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, job: Job, document_id: str | None = None) -> Self:
        result = job.result or {}
        ended = job.state in ENDED
        well = job.state == "done" and bool(result.get("succeeded", True))
        own = {
            "succeeded": well if ended else None,
            "path": job.payload.get("path"),
            "document_id": document_id,
            "files": tuple(FileReply.model_validate(each) for each in result.get("files", ())),
        }
        names = ("id", "kind", "state", "done", "total", "error", "created_at", "updated_at")
        return cls.model_validate({name: getattr(job, name) for name in names} | own)


class WorkListReply(Reply):
    jobs: tuple[WorkReply, ...]


class EntriesReply(Reply):
    documents: tuple[EntryReply, ...]
    next: str | None = Field(description="`cursor` of the next page; null: this is the last.")


class StoredReply(Reply):
    """A file and its document as operators see them."""

    id: str | None
    source: str | None
    path: str
    state: DocumentState
    chunks: int
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    error: str | None
    remedy: str | None
    failed_at: datetime | None
    stored_at: datetime | None
    original: bool = Field(description="Whether its file is kept.")


class StoredListReply(Reply):
    documents: tuple[StoredReply, ...]
