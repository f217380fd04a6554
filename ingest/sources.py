"""Files below the given paths, with what their folder says about them.

The scan opens nothing but folders and rules.

A file's bytes are read once, by `open_judged_file`: through the folders that were judged, under
the rule that is in force then, and only if the file is still the one that the scan saw.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from indexes.catalog import Catalog, NamedSource
from indexes.errors import (
    BadInput,
    NoReaders,
    NotFound,
    SourceEmpty,
    SourceError,
    SourceRefused,
    SourceUnavailable,
)
from indexes.formats import KNOWN_ENDINGS, UNREAD_ENDINGS
from indexes.model import Actor, Readers, Scalar
from indexes.settings import Settings
from ingest.access import NOBODY, FolderRule, Rules, file_stamp
from ingest.archives import INSIDE, ArchiveShelf, Member, is_archive
from ingest.isolation.private_copy import PrivateCopy
from ingest.tree import Tree, TreeEntry, Way, unavailable_source

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
    rules: Rules
    of_source: Readers  # the rule of the whole source
    shelf: ArchiveShelf  # where archives of this run are opened
    way: Way  # of this run, to the folder of the file that was opened last
    member: Member | None = None  # the file in the archive, if it is in one

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
    def modified_at(self) -> datetime:
        return datetime.fromtimestamp(self.modified_ns / 1e9, UTC)


@dataclass(frozen=True, kw_only=True)
class Root:
    """One path that was asked for, as it was when it was opened."""

    place: Path
    is_folder: bool
    source: NamedSource | None = None  # that it belongs to
    # held open: its source, or itself or its folder
    tree: Tree | None = field(default=None, compare=False, repr=False)

    @property
    def start(self) -> tuple[str, ...]:
        """Where in its tree the scan begins."""
        if self.source is not None:
            return self.place.relative_to(self.source.root).parts
        return () if self.is_folder else (self.place.name,)

    @cached_property
    def prefix(self) -> str:
        """What the uri of every file below begins with."""
        if self.source is not None and not self.start:
            return self.source.prefix
        uri = self.uri(self.place)
        return uri.rstrip("/") + "/" if self.is_folder else uri

    def uri(self, place: Path) -> str:
        return (
            self.source.uri(place.relative_to(self.source.root).parts)
            if self.source
            else place.as_uri()
        )

    def covers(self, uri: str) -> bool:
        if self.is_folder:
            return uri.startswith(self.prefix)
        return uri == self.prefix or uri.startswith(self.prefix + INSIDE)

    def path(self, place: Path) -> str:
        """The path that readers see, as text that can be stored, whatever bytes the name has."""
        if self.source is not None:
            return self.source.path(place.relative_to(self.source.root).parts)
        below = place.relative_to(self.place).as_posix() if place != self.place else ""
        path = "/".join(part for part in (self.place.name, below) if part) or "/"
        return os.fsencode(path).decode("utf-8", "replace")

    def path_of(self, uri: str) -> str:
        """The path that readers see, for a uri that this root covers."""
        uri = uri.replace(INSIDE, "/")
        if self.source is not None:
            return self.source.path_of(uri)
        below = unquote(uri.removeprefix(self.prefix), errors="replace")
        return "/".join(part for part in (self.place.name, below) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What was found, in order of path; `blind` are uri prefixes below which there may be files
    that were not seen.
    """

    roots: tuple[Root, ...]
    sources: tuple[SourceFile, ...]
    # folders that could not be listed, files that only a manifest knows
    unreadable: tuple[SourceFile, ...] = ()
    # stored documents whose files are not there; their rules say who may read them until they go
    missing: tuple[SourceFile, ...] = ()
    blind: tuple[str, ...] = ()


def find_roots(paths: Sequence[Path]) -> tuple[Root, ...]:
    """The given paths, opened, those below another left out.

    Raises BadInput for one that is not there.

    A given path may lead through links, since whoever gives it may name any file; nothing below it
    may.
    """
    roots: dict[Path, Root] = {}
    for path in paths:
        try:
            root = _open_root(path)
        except (OSError, ValueError) as error:
            raise BadInput(
                f"{path} cannot be found.", remedy="Name a file or a folder that exists."
            ) from error
        roots.setdefault(root.place, root)
    return tuple(
        root for place, root in roots.items() if not any(other in place.parents for other in roots)
    )


def _open_root(path: Path) -> Root:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        about, place = os.fstat(descriptor), Path(f"/proc/self/fd/{descriptor}").readlink()
        if stat.S_ISDIR(about.st_mode):
            tree = Tree.open(Path(f"/proc/self/fd/{descriptor}"))
            return Root(place=tree.place, is_folder=True, tree=tree)
        return Root(place=place, is_folder=False, tree=Tree.open(place.parent))
    finally:
        os.close(descriptor)


def assign_sources(
    roots: Sequence[Root], catalog: Catalog | None, *, make_by: Actor | None
) -> tuple[Root, ...]:
    """The same roots as places in their sources.

    make_by: who makes sources that are missing. If None, they are only imagined.

    Raises BadInput if a root cannot be in a source, or if its source is not in its former place.
    """
    return tuple(_assign_source(root, catalog, make_by) for root in roots)


def assign_named_source(
    roots: Sequence[Root], name: str, catalog: Catalog | None
) -> tuple[Root, ...]:
    """The one root as the folder of this source: the same folder may have other names on other
    machines.
    """
    if len(roots) != 1 or not roots[0].is_folder:
        raise BadInput("--source takes one folder: the root of the source.")
    if catalog is None:
        raise NotFound(f"There is no source {name}.")
    (root,) = roots
    return (replace(root, source=replace(catalog.sources.get(name), root=root.place)),)


def _assign_source(root: Root, catalog: Catalog | None, make_by: Actor | None) -> Root:
    source = None
    if catalog is not None and make_by is not None:
        source = catalog.sources.ensure(root.place, is_folder=root.is_folder, by=make_by)
    elif catalog is not None:
        source = catalog.sources.find(root.place, is_folder=root.is_folder)
    if source is None:
        place, shown = (root.place, root.place.name) if root.is_folder else (root.place.parent, "")
        source = NamedSource(
            id=0, name=shown or place.name, root=place, shown=shown, loose=not root.is_folder
        )
    if root.tree is not None and root.tree.place == source.root:
        return replace(root, source=source)
    try:
        tree = Tree.open(source.root)
    except OSError as error:
        raise BadInput(f"The source {source.name} cannot be opened at {source.root}.") from error
    if tree.place != source.root:
        remedy = f"If it is the same folder: clearance sources move {source.name} {tree.place}"
        raise BadInput(
            f"The source {source.name} was at {source.root}, which is a link now.", remedy=remedy
        )
    return replace(root, source=source, tree=tree)


def scan(
    roots: Sequence[Root],
    rules: Rules,
    *,
    collection: str = "default",
    max_bytes: int,
    skip: frozenset[Path] = frozenset(),
) -> Scan:
    """Every file below the roots with its readers. Links are refused, never followed.

    A link would let whoever may write into one folder lend the text of another folder to his own
    readers.
    """
    sources: list[SourceFile] = []
    unreadable: list[SourceFile] = []
    shelf, way = ArchiveShelf(max_bytes), Way()
    for root in roots:
        if root.tree is None:
            raise ValueError(f"{root.place} was not opened")
        of_source = root.source.readers if root.source else NOBODY
        for entry in root.tree.walk(rules, root.start):
            if entry.is_folder:
                unreadable.append(_folder_problem(entry.place, root, entry.problem))
            elif not skip or entry.place not in skip:
                origin = Origin(
                    tree=root.tree, parts=entry.parts, rules=rules, of_source=of_source, shelf=shelf,
                    way=way,
                )  # fmt: skip
                made = _make_source(root, entry, origin, collection, max_bytes)
                if is_archive(entry.parts[-1]):
                    sources += _list_archive(made, max_bytes)
                else:
                    sources.append(made)
    if named := rules.manifest_files:
        found = {source.place for source in sources}
        unreadable += _files_not_found(roots, named - found - skip)
    unseen = [
        source
        for source in (*unreadable, *sources)
        if isinstance(source.problem, SourceUnavailable)
    ]
    blind = tuple(source.uri.rstrip("/") + "/" for source in unseen)
    blind += tuple(source.uri + INSIDE for source in sources if is_closed_archive(source))
    return Scan(
        roots=tuple(roots), sources=tuple(sources), unreadable=tuple(unreadable), blind=blind
    )


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
            try:
                readers = origin.readers(source.place, folder_rule)
            except NoReaders:
                readers = None
            if readers != source.rule:
                raise SourceUnavailable(
                    "Its rule was changed meanwhile.", remedy="Run the same command again."
                )
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


def _check_unchanged(file: BinaryIO, source: SourceFile) -> None:
    if file_stamp(os.fstat(file.fileno())) != source.stamp:
        raise SourceUnavailable(_CHANGED, remedy="Run the same command again.")


def _make_source(
    root: Root, entry: TreeEntry, origin: Origin, collection: str, max_bytes: int
) -> SourceFile:
    readers: Readers | None = None
    file = entry.place
    problem: SourceError | None = entry.problem
    if entry.about is not None:
        problem = _kind_problem(file, entry.about, max_bytes)
    try:
        readers = origin.readers(file, entry.rule)
    except NoReaders as error:
        problem = problem or error
    told, source = origin.rules.entry_of(file), root.source  # whose folder is the tree's
    return SourceFile(
        file=file,
        uri=source.uri(entry.parts) if source else root.uri(file),
        path=source.path(entry.parts) if source else root.path(file),
        modified_ns=entry.about.st_mtime_ns if entry.about else 0,
        stamp=file_stamp(entry.about) if entry.about else (),
        size=entry.about.st_size if entry.about else 0,
        rule=readers,
        readers=readers,
        problem=problem,
        title=told.title,
        collection=told.collection or collection,
        metadata=told.metadata,
        source_id=source.id if source else None,
        origin=origin,
    )


def _kind_problem(file: Path, about: os.stat_result, max_bytes: int) -> SourceRefused | None:
    if stat.S_ISLNK(about.st_mode):
        return SourceRefused(
            "It is a symbolic link.", remedy="Ingest the file or folder that it points to."
        )
    if not stat.S_ISREG(about.st_mode):
        return SourceRefused("It is not a regular file.")
    if not is_archive(file.name) and file.suffix.lower() in UNREAD_ENDINGS:
        unknown = f"Files ending in {file.suffix} cannot be read."
        return SourceRefused(unknown, remedy=KNOWN_ENDINGS)
    return _size_problem(about.st_size, max_bytes)


def _size_problem(size: int, max_bytes: int) -> SourceRefused | None:
    if size <= max_bytes:
        return None
    return SourceRefused(
        f"It has {size:,} bytes.", remedy="Split it, or raise CLEARANCE_MAX_FILE_MB."
    )


def is_closed_archive(source: SourceFile) -> bool:
    """Whether it is an archive that could not be opened, so that nobody knows what is in it."""
    inside = source.origin is not None and source.origin.member is not None
    return is_archive(source.file.name) and not inside


def _list_archive(archive: SourceFile, max_bytes: int) -> list[SourceFile]:
    """The files in an archive, under the rule that governs it; the archive itself, with what is
    wrong, if it cannot be opened.
    """
    origin = archive.origin
    if archive.problem is not None or origin is None:
        return [archive]
    try:
        with open_judged_file(archive) as file:
            found = origin.shelf.list_members(file, archive.file.name, archive.stamp)
    except SourceError as error:
        return [replace(archive, problem=error)]
    if not found:
        return [replace(archive, problem=SourceEmpty("There is no file in it."))]
    return [_make_member(archive, origin, member, max_bytes) for member in found]


def _make_member(archive: SourceFile, origin: Origin, member: Member, max_bytes: int) -> SourceFile:
    file = archive.file / member.name
    problem = member.problem or _size_problem(member.size, max_bytes)
    if problem is None and file.suffix.lower() in UNREAD_ENDINGS:
        unknown = f"Files ending in {file.suffix} cannot be read."
        problem = SourceRefused(unknown, remedy=KNOWN_ENDINGS)
    return replace(
        archive,
        file=file,
        uri=archive.uri + member.uri,
        path=f"{archive.path}/{member.path}",
        modified_ns=member.modified_ns or archive.modified_ns,
        size=member.size,
        problem=problem,
        title=None,
        origin=replace(origin, member=member),
    )


def _files_not_found(roots: Sequence[Root], named: frozenset[Path]) -> Iterator[SourceFile]:
    """Files of the manifest that should be below the roots: for a mistyped name another rule
    governs the real file.
    """
    for file in sorted(named):
        for root in roots:
            if file == root.place or root.place in file.parents:
                problem = SourceUnavailable(
                    "The manifest names it, but it was not found.", remedy="Correct the name."
                )
                yield SourceFile(
                    file=file, uri=root.uri(file), path=root.path(file), problem=problem
                )


def _folder_problem(place: Path, root: Root, problem: SourceError | None) -> SourceFile:
    return SourceFile(file=place, uri=root.uri(place), path=root.path(place) + "/", problem=problem)
