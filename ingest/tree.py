"""Files and folders reached from one descriptor: below it no link is followed and nothing is opened
by its whole name.

The rule that governs a file and the file's bytes come through the same chain of folder descriptors.
Whoever exchanges a folder for a link, or for another folder, while a run is on gets a line in the
report and never another folder's text.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path
from typing import BinaryIO, Self

from indexes.errors import SourceUnavailable
from ingest.access import FolderRule, Rules

MAX_DEPTH = 200  # every folder on the way down is held open while its files are looked at
IGNORED = (
    "~$*",
    "*~",
    "#*#",
    "*.swp",
    "*.swo",
    "*.crdownload",
    "*.part",
    "thumbs.db",
    "desktop.ini",
    "__macosx",
)
_IGNORED = re.compile("|".join(map(translate, IGNORED)))
_ENTRY = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """What the walk found at one place: a file, or something that could not be looked at."""

    parts: tuple[str, ...]  # the way down from the top of the tree
    about: os.stat_result | None = None
    rule: FolderRule = None  # of the nearest folder that has one
    problem: SourceUnavailable | None = None
    is_folder: bool = False  # with a problem: there may be files below


class Tree:
    """A folder that stays open.

    Whatever is below it is reached from its descriptor, one name at a time.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # its name cannot be another folder's
        self.place = Path(f"/proc/self/fd/{descriptor}").readlink()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The folder that this path names now; it may be a link. Raises OSError."""
        return cls(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def walk(self, rules: Rules, start: tuple[str, ...] = ()) -> Iterator[TreeEntry]:
        """Every file below `start`, depth first, sorted by name, without what editors and systems
        leave behind and without hidden entries.
        """
        try:
            folder, rule = self._descend(start[:-1], rules)
        except OSError as error:
            yield TreeEntry(parts=start, problem=unavailable_source(error), is_folder=True)
            return
        try:
            if start:
                yield from self._walk_entry(folder, start, rule, rules)
            else:
                yield from self._walk_folder(folder, start, None, rules)
        finally:
            os.close(folder)

    @contextmanager
    def open_file(
        self, parts: tuple[str, ...], rules: Rules
    ) -> Iterator[tuple[BinaryIO, FolderRule]]:
        """The file, open, and the rule of its nearest folder, read on the way to it.

        Raises OSError.
        """
        folder, rule = self._descend(parts[:-1], rules)
        try:
            descriptor = os.open(parts[-1], _ENTRY, dir_fd=folder)
        finally:
            os.close(folder)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            yield file, rule

    def rule_of(self, folder: tuple[str, ...], rules: Rules) -> FolderRule:
        """The rule of the nearest folder at or above this one, up to the top. Raises OSError."""
        descriptor, rule = self._descend(folder, rules)
        os.close(descriptor)
        return rule

    def _descend(self, parts: tuple[str, ...], rules: Rules) -> tuple[int, FolderRule]:
        """A new descriptor of the folder, and the nearest rule on the way to it."""
        folder, rule = os.dup(self._descriptor), rules.rule_in_folder(self._descriptor, self.place)
        try:
            for depth, name in enumerate(parts, start=1):
                inner = os.open(name, _ENTRY | os.O_DIRECTORY, dir_fd=folder)
                os.close(folder)
                folder = inner
                rule = _nearer(
                    rules.rule_in_folder(folder, self.place.joinpath(*parts[:depth])), rule
                )
        except BaseException:
            os.close(folder)
            raise
        return folder, rule

    def _walk_entry(
        self, folder: int, parts: tuple[str, ...], rule: FolderRule, rules: Rules
    ) -> Iterator[TreeEntry]:
        try:
            about = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            yield TreeEntry(parts=parts, rule=rule, problem=unavailable_source(error))
            return
        if not stat.S_ISDIR(about.st_mode):
            yield TreeEntry(parts=parts, about=about, rule=rule)
            return
        try:
            if len(parts) > MAX_DEPTH:
                raise OSError(errno.EMLINK, f"It is more than {MAX_DEPTH} folders deep")
            inner = os.open(parts[-1], _ENTRY | os.O_DIRECTORY, dir_fd=folder)
        except OSError as error:
            yield TreeEntry(parts=parts, problem=unavailable_source(error), is_folder=True)
            return
        try:
            yield from self._walk_folder(inner, parts, rule, rules)
        finally:
            os.close(inner)

    def _walk_folder(
        self, folder: int, parts: tuple[str, ...], rule: FolderRule, rules: Rules
    ) -> Iterator[TreeEntry]:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            yield TreeEntry(parts=parts, problem=unavailable_source(error), is_folder=True)
            return
        rule = _nearer(rules.rule_in_folder(folder, self.place.joinpath(*parts)), rule)
        for name in names:
            if not is_ignored(name):
                yield from self._walk_entry(folder, (*parts, name), rule, rules)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()


def file_stamp(about: os.stat_result) -> tuple[int, ...]:
    """Differs if the file was touched, or another one put in its place, between two looks."""
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def unavailable_source(error: OSError) -> SourceUnavailable:
    remedy = (
        "Give the ingesting user the right to read it."
        if isinstance(error, PermissionError)
        else "Run again."
    )
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return SourceUnavailable(
            "A link or another file took its place while it was read.", remedy=remedy
        )
    return SourceUnavailable(f"{error.strerror or error}.", remedy=remedy)


def _nearer(own: FolderRule, above: FolderRule) -> FolderRule:
    return above if own is None else own


def is_ignored(name: str) -> bool:
    """Whether editors and systems leave such files behind, or hide them."""
    return name.startswith(".") or _IGNORED.match(name.lower()) is not None
