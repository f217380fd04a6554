"""Files below the given paths, with what their folder says about them.

The scan opens nothing but folders, rules and the tables of contents of archives.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from indexes.errors import (
    NoReaders,
    SourceEmpty,
    SourceError,
    SourceRefused,
    SourceUnavailable,
)
from indexes.formats import INSIDE, KNOWN_ENDINGS, UNREAD_ENDINGS
from indexes.model import Readers
from ingest.access import NOBODY, AccessRules, file_stamp
from ingest.archives import ArchiveMember, ArchiveShelf, is_archive
from ingest.judged_files import Origin, SourceFile, open_judged_file
from ingest.roots import Root
from ingest.tree import TreeEntry, Way


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


def scan(
    roots: Sequence[Root],
    rules: AccessRules,
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
        for entry in root.tree.walk(rules, root.start):
            if entry.is_folder:
                unreadable.append(_folder_problem(entry.place, root, entry.problem))
            elif not skip or entry.place not in skip:
                origin = Origin(
                    tree=root.tree,
                    parts=entry.parts,
                    rules=rules,
                    of_source=root.source.readers if root.source else NOBODY,
                    shelf=shelf,
                    way=way,
                )
                made = _make_source(root, entry, origin, collection, max_bytes)
                sources += _list_archive(made, max_bytes) if is_archive(entry.parts[-1]) else [made]
    if named := rules.manifest_files:
        found = {source.place for source in sources}
        unreadable += _files_not_found(roots, named - found - skip)
    return Scan(
        roots=tuple(roots),
        sources=tuple(sources),
        unreadable=tuple(unreadable),
        blind=_blind_prefixes(sources, unreadable),
    )


def _blind_prefixes(
    sources: Sequence[SourceFile], unreadable: Sequence[SourceFile]
) -> tuple[str, ...]:
    """Of uris: below what cannot be read now, and inside archives that do not open."""
    unseen = [
        source
        for source in (*unreadable, *sources)
        if isinstance(source.problem, SourceUnavailable)
    ]
    closed = [source.uri + INSIDE for source in sources if is_closed_archive(source)]
    return (*(source.uri.rstrip("/") + "/" for source in unseen), *closed)


def is_closed_archive(source: SourceFile) -> bool:
    """Whether it is an archive that could not be opened, so that nobody knows what is in it."""
    inside = source.origin is not None and source.origin.member is not None
    return is_archive(source.file.name) and not inside


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


def _make_member(
    archive: SourceFile, origin: Origin, member: ArchiveMember, max_bytes: int
) -> SourceFile:
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
