"""Files below the given paths, with what their folder says about them. The scan opens nothing but rules."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import unquote

from indexes.errors import BadInput, NoReaders, SourceError, SourceRefused, SourceUnavailable
from indexes.model import Readers, Scalar
from indexes.settings import Settings
from ingest.access import Rules
from ingest.partition.kinds import SUFFIXES

PIPELINE_VERSION = 1
"""Raise it when parsing or chunking gives something else for the same bytes: every file is then read again."""

DROPPINGS = ("~$*", "*~", "#*#", "*.swp", "*.swo", "*.crdownload", "*.part", "thumbs.db", "desktop.ini", "__macosx")
_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file as the scan saw it. With a problem it cannot be read; without readers nobody may read it."""

    file: Path
    uri: str
    path: str  # what readers see: the root's own name, then the way down, with slashes
    modified_ns: int = 0
    stamp: tuple[int, ...] = ()  # tells whether the file was touched since, or another one put in its place
    readers: Readers | None = None
    problem: SourceError | None = None
    title: str | None = None
    collection: str = "default"
    metadata: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def modified_at(self) -> datetime:
        return datetime.fromtimestamp(self.modified_ns / 1e9, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """One path that was asked for, resolved."""

    place: Path
    is_folder: bool

    @property
    def top(self) -> Path:
        """The folder up to which rules are looked for."""
        return self.place if self.is_folder else self.place.parent

    @property
    def prefix(self) -> str:
        """What the uri of every file below begins with."""
        return self.place.as_uri().rstrip("/") + "/" if self.is_folder else self.place.as_uri()

    def covers(self, uri: str) -> bool:
        return uri.startswith(self.prefix) if self.is_folder else uri == self.prefix

    def path_of(self, uri: str) -> str:
        """The path that readers see, for a uri that this root covers."""
        below = unquote(uri.removeprefix(self.prefix), errors="replace")
        return "/".join(part for part in (self.place.name, below) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What was found, in order of path; `blind` are uri prefixes below which there may be files that were not seen."""

    roots: tuple[Root, ...]
    sources: tuple[Source, ...]
    unreadable: tuple[Source, ...] = ()  # folders that could not be listed, files that only a manifest knows
    blind: tuple[str, ...] = ()


def find_roots(paths: Sequence[Path]) -> tuple[Root, ...]:
    """The given paths, links resolved, those below another left out. Raises BadInput for one that is not there."""
    places: list[Path] = []
    for path in paths:
        try:
            places.append(path.resolve(strict=True))
        except (OSError, RuntimeError, ValueError) as error:
            raise BadInput(f"{path} cannot be found.", remedy="Name a file or a folder that exists.") from error
    outer = [place for place in dict.fromkeys(places) if not any(other in place.parents for other in places)]
    return tuple(Root(place=place, is_folder=place.is_dir()) for place in outer)


def scan(
    roots: Sequence[Root],
    rules: Rules,
    *,
    collection: str = "default",
    max_bytes: int,
    skip: frozenset[Path] = frozenset(),
) -> Scan:
    """Every file below the roots with its readers. Links are refused, never followed.

    A link would let whoever may write into one folder lend the text of another folder to his own readers.
    """
    sources: list[Source] = []
    unreadable: list[Source] = []
    for root in roots:
        walk = _walk(root, unreadable) if root.is_folder else iter([root.place])
        for file in walk:
            if file not in skip:
                sources.append(_source(file, root, rules, collection, max_bytes))
    unreadable += _missing(roots, rules.named - {source.file for source in sources} - skip)
    unseen = [source for source in (*unreadable, *sources) if isinstance(source.problem, SourceUnavailable)]
    blind = tuple(source.uri.rstrip("/") + "/" for source in unseen)
    return Scan(roots=tuple(roots), sources=tuple(sources), unreadable=tuple(unreadable), blind=blind)


def content_hash(source: Source, settings: Settings) -> str:
    """SHA-256 over the bytes and over every setting that shapes the document. Raises SourceUnavailable."""
    shape = (PIPELINE_VERSION, settings.chunk_tokens, settings.ocr)
    told = (source.title, source.collection, dict(source.metadata))
    digest = hashlib.sha256(json.dumps([shape, told], sort_keys=True).encode())
    try:
        with open(source.file, "rb", buffering=0, opener=_open_no_link) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise unavailable(error) from error
    return digest.hexdigest()


def check_unchanged(source: Source) -> None:
    """Raises SourceUnavailable if the file is no longer the one that the scan saw: text and hash might not agree."""
    try:
        now = _stamp(source.file.lstat())
    except OSError as error:
        raise unavailable(error) from error
    if now != source.stamp:
        raise SourceUnavailable("It was changed while it was read.", remedy="Run the same command again.")


def unavailable(error: OSError) -> SourceUnavailable:
    remedy = "Give the ingesting user the right to read it." if isinstance(error, PermissionError) else "Run again."
    return SourceUnavailable(f"{error.strerror or error}.", remedy=remedy)


def _walk(root: Root, unreadable: list[Source]) -> Iterator[Path]:
    """Files below a folder, depth first, sorted by name; droppings and hidden entries left out."""
    waiting = [root.place]
    while waiting:
        place = waiting.pop()
        if not _is_folder(place):
            yield place
            continue
        try:
            with os.scandir(place) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            unreadable.append(_line(place, root, unavailable(error)))
            continue
        waiting.extend(place / name for name in reversed(names) if not _dropping(name))


def _is_folder(place: Path) -> bool:
    try:
        return stat.S_ISDIR(place.lstat().st_mode)
    except OSError:
        return False


def _dropping(name: str) -> bool:
    return name.startswith(".") or any(fnmatch(name.lower(), pattern) for pattern in DROPPINGS)


def _source(file: Path, root: Root, rules: Rules, collection: str, max_bytes: int) -> Source:
    readers: Readers | None = None
    problem: SourceError | None = None
    modified_ns, stamp = 0, tuple[int, ...]()
    try:
        about = file.lstat()
        modified_ns, stamp = about.st_mtime_ns, _stamp(about)
        _check_kind(file, about, max_bytes)
    except OSError as error:
        problem = unavailable(error)
    except SourceError as error:
        problem = error
    try:
        readers = rules.readers(file, root.top)
    except NoReaders as error:
        problem = problem or error
    entry = rules.entry(file)
    return Source(
        file=file,
        uri=file.as_uri(),
        path=_path(file, root),
        modified_ns=modified_ns,
        stamp=stamp,
        readers=readers,
        problem=problem,
        title=entry.title,
        collection=entry.collection or collection,
        metadata=entry.metadata,
    )


def _stamp(about: os.stat_result) -> tuple[int, ...]:
    return about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _check_kind(file: Path, about: os.stat_result, max_bytes: int) -> None:
    if stat.S_ISLNK(about.st_mode):
        raise SourceRefused("It is a symbolic link.", remedy="Ingest the file or folder that it points to.")
    if not stat.S_ISREG(about.st_mode):
        raise SourceRefused("It is not a regular file.")
    if file.suffix.lower() not in SUFFIXES:
        known = "Known endings: " + " ".join(sorted(SUFFIXES)) + "."
        raise SourceRefused(f"Files ending in {file.suffix or 'nothing'} cannot be read.", remedy=known)
    if about.st_size > max_bytes:
        raise SourceRefused(f"It has {about.st_size:,} bytes.", remedy="Split it, or raise CLEARANCE_MAX_FILE_MB.")


def _missing(roots: Sequence[Root], named: frozenset[Path]) -> Iterator[Source]:
    """Files of the manifest that should be below the roots: for a mistyped name another rule governs the real file."""
    for file in sorted(named):
        for root in roots:
            if file == root.place or root.place in file.parents:
                problem = SourceUnavailable("The manifest names it, but it was not found.", remedy="Correct the name.")
                yield Source(file=file, uri=file.as_uri(), path=_path(file, root), problem=problem)


def _line(place: Path, root: Root, problem: SourceError) -> Source:
    return Source(file=place, uri=place.as_uri(), path=_path(place, root) + "/", problem=problem)


def _path(place: Path, root: Root) -> str:
    """As text that can be stored and shown, whatever bytes the name has."""
    below = place.relative_to(root.place).as_posix() if place != root.place else ""
    path = "/".join(part for part in (root.place.name, below) if part) or "/"
    return os.fsencode(path).decode("utf-8", "replace")


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
