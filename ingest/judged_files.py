"""The bytes of a file, read through the folders that were judged, under the rule that is in force
then, and only if the file is still the one that the scan saw.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from indexes.errors import NoReaders, SourceError, SourceUnavailable
from indexes.model import OwnReaders, Readers, Scalar
from indexes.settings import Settings
from ingest.access import AccessRules, FolderRule, file_stamp
from ingest.archives import ArchiveMember, ArchiveShelf
from ingest.isolation.private_copy import PrivateCopy
from ingest.tree import Tree, Way, unavailable_source

PIPELINE_VERSION = 2
"""Raise it when parsing or chunking gives something else for the same bytes: every file is then
read again.
"""

_BLOCK = 1024 * 1024
_CHANGED = "It was changed while it was read."


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How a file is reached again: the open tree it was found in, and the rules of this run."""

    tree: Tree
    parts: tuple[str, ...]
    rules: AccessRules
    of_source: Readers  # the rule of the whole source
    shelf: ArchiveShelf  # where archives of this run are opened
    way: Way  # of this run, to the folder of the file that was opened last
    member: ArchiveMember | None = None  # the file in the archive, if it is in one

    def readers(self, file: Path, folder_rule: FolderRule) -> Readers:
        """Raises NoReaders."""
        return self.rules.readers(file, folder_rule, self.of_source)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file as the scan saw it.

    With a problem it cannot be read; without readers nobody may read it.
    """

    file: Path
    uri: str
    path: str  # what readers see: the root's own name, then the way down, with slashes
    modified_ns: int = 0
    size: int = 0
    # tells whether the file was touched since, or another one put in its place
    stamp: tuple[int, ...] = ()
    rule: Readers | None = None  # in the words of the rule that governs it
    readers: Readers | None = None  # whom these words mean
    own: OwnReaders | None = None  # said over HTTP: they narrow the rule
    problem: SourceError | None = None
    title: str | None = None
    collection: str = "default"
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    source_id: int | None = None
    # None if its text is not in a file of its own
    origin: Origin | None = field(default=None, compare=False, repr=False)

    @property
    def place(self) -> Path:
        """The file on the disk: of a member its archive."""
        if self.origin is None or self.origin.member is None:
            return self.file
        return self.origin.tree.place.joinpath(*self.origin.parts)

    @property
    def wanted(self) -> Readers | None:
        """Who may read it: its own readers under the rule; None if nothing says so."""
        if self.readers is None or self.own is None:
            return self.readers
        return self.own.under(self.readers)

    @property
    def modified_at(self) -> datetime:
        return datetime.fromtimestamp(self.modified_ns / 1e9, UTC)


@contextmanager
def open_judged_file(source: SourceFile) -> Iterator[BinaryIO]:
    """The file's bytes, open.

    Raises SourceUnavailable unless file and rule are what the scan saw, to the end.

    Its folders are opened anew from the root, and the rule is read on the way: so the rule was in
    force, at this place, for these bytes, whatever was exchanged before or after.
    """
    origin = source.origin
    if origin is None:
        raise SourceUnavailable("It is not a file.")
    try:
        with origin.tree.open_file(origin.parts, origin.rules, origin.way) as (file, folder_rule):
            _check_rule(source, origin, folder_rule)
            _check_unchanged(file, source)
            if origin.member is None:
                yield file
            else:
                name = origin.parts[-1]
                with origin.shelf.open(file, name, source.stamp, origin.member) as inner:
                    yield inner
            _check_unchanged(file, source)
    except OSError as error:
        raise unavailable_source(error) from error


def content_hash(file: BinaryIO, source: SourceFile, settings: Settings) -> str:
    """SHA-256 over the bytes and over every setting that shapes the document. Raises OSError."""
    digest = _shape_digest(source, settings)
    file.seek(0)
    for block in _read_blocks(file, source.size):
        digest.update(block)
    return digest.hexdigest()


def make_private_copy(
    file: BinaryIO, source: SourceFile, settings: Settings
) -> tuple[PrivateCopy, str]:
    """A copy that nobody else can reach, and the content hash of the copy itself. Raises OSError."""
    digest = _shape_digest(source, settings)
    file.seek(0)
    copy = PrivateCopy.new(source.file.name, source.size, settings.home)
    try:
        for block in _read_blocks(file, source.size):
            digest.update(block)
            copy.write(block)
        copy.seal()
    except BaseException:
        copy.close()
        raise
    return copy, digest.hexdigest()


def _read_blocks(file: BinaryIO, size: int) -> Iterator[bytes]:
    """So many bytes, from where the file is, or all that there are. Raises OSError."""
    while size > 0 and (block := file.read(min(size, _BLOCK))):
        size -= len(block)
        yield block


def _shape_digest(source: SourceFile, settings: Settings) -> "hashlib._Hash":
    shape = (PIPELINE_VERSION, settings.chunk_tokens, settings.ocr, settings.hidden_text)
    told = (source.title, source.collection)
    if not source.metadata:
        return _plain_digest(shape, told).copy()
    return _begin_digest(shape, told, source.metadata)


@lru_cache(maxsize=64)
def _plain_digest(shape: tuple[Any, ...], told: tuple[str | None, str]) -> "hashlib._Hash":
    """What most files of a run begin with."""
    return _begin_digest(shape, told, {})


def _begin_digest(
    shape: tuple[Any, ...], told: tuple[str | None, str], metadata: Mapping[str, Scalar]
) -> "hashlib._Hash":
    return hashlib.sha256(json.dumps([shape, (*told, dict(metadata))], sort_keys=True).encode())


def _check_rule(source: SourceFile, origin: Origin, folder_rule: FolderRule) -> None:
    """Raises SourceUnavailable if another rule is in force now."""
    try:
        readers = origin.readers(source.place, folder_rule)
    except NoReaders:
        readers = None
    if readers != source.rule:
        raise SourceUnavailable(
            "Its rule was changed meanwhile.", remedy="Run the same command again."
        )


def _check_unchanged(file: BinaryIO, source: SourceFile) -> None:
    if file_stamp(os.fstat(file.fileno())) != source.stamp:
        raise SourceUnavailable(_CHANGED, remedy="Run the same command again.")
