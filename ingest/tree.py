"""Files and folders reached from one descriptor: below it no link is followed and nothing is opened
by its whole name.

The rule that governs a file and the file's bytes come through the same chain of folder descriptors.
Whoever exchanges a folder for a link, or for another folder, while a run is on gets a line in the
report and never another folder's text.
"""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from indexes.errors import SourceUnavailable
from indexes.file_names import is_ignored
from ingest.access import AccessRules, FolderRule, file_stamp

MAX_DEPTH = 200  # every folder on the way down is held open while its files are looked at
_ENTRY = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """What the walk found at one place: a file, or something that could not be looked at."""

    parts: tuple[str, ...]  # the way down from the top of the tree
    place: Path  # the same by its whole name, which is never opened
    about: os.stat_result | None = None
    rule: FolderRule = None  # of the nearest folder that has one
    problem: SourceUnavailable | None = None
    is_folder: bool = False  # with a problem: there may be files below


class Tree:
    """A folder that stays open.

    Whatever is below it is reached from its descriptor, one name at a time.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        # its name cannot be another folder's
        self.place = Path(f"/proc/self/fd/{descriptor}").readlink()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The folder that this path names now; it may be a link. Raises OSError."""
        return cls(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def walk(self, rules: AccessRules, start: tuple[str, ...] = ()) -> Iterator[TreeEntry]:
        """Every file below `start`, depth first, sorted by name, without what editors and systems
        leave behind and without hidden entries.
        """
        try:
            with Way().reach(self, start[:-1], rules) as (held, rule):
                folder = os.dup(held)
        except OSError as error:
            place = self.place.joinpath(*start)
            problem = unavailable_source(error)
            yield TreeEntry(parts=start, place=place, problem=problem, is_folder=True)
            return
        try:
            if start:
                yield from self._walk_entry(folder, start, self.place.joinpath(*start), rule, rules)
            else:
                yield from self._walk_folder(folder, start, self.place, None, rules)
        finally:
            os.close(folder)

    @contextmanager
    def open_file(
        self, parts: tuple[str, ...], rules: AccessRules, way: "Way"
    ) -> Iterator[tuple[BinaryIO, FolderRule]]:
        """The file, open, and the rule of its nearest folder, read on the way to it.

        way: of this run. Raises OSError.
        """
        with way.reach(self, parts[:-1], rules) as (folder, rule):
            descriptor = os.open(parts[-1], _ENTRY, dir_fd=folder)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            yield file, rule

    def rule_of(self, folder: tuple[str, ...], rules: AccessRules) -> FolderRule:
        """The rule of the nearest folder at or above this one, up to the top. Raises OSError."""
        with Way().reach(self, folder, rules) as (_, rule):
            return rule

    def _walk_entry(
        self, folder: int, parts: tuple[str, ...], place: Path, rule: FolderRule, rules: AccessRules
    ) -> Iterator[TreeEntry]:
        try:
            about = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            yield TreeEntry(parts=parts, place=place, rule=rule, problem=unavailable_source(error))
            return
        if not stat.S_ISDIR(about.st_mode):
            yield TreeEntry(parts=parts, place=place, about=about, rule=rule)
            return
        try:
            inner = _open_inner(folder, parts)
        except OSError as error:
            yield TreeEntry(
                parts=parts, place=place, problem=unavailable_source(error), is_folder=True
            )
            return
        try:
            yield from self._walk_folder(inner, parts, place, rule, rules)
        finally:
            os.close(inner)

    def _walk_folder(
        self, folder: int, parts: tuple[str, ...], place: Path, rule: FolderRule, rules: AccessRules
    ) -> Iterator[TreeEntry]:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            problem = unavailable_source(error)
            yield TreeEntry(parts=parts, place=place, problem=problem, is_folder=True)
            return
        rule = _nearer(rules.rule_in_folder(folder, place.name), rule)
        for name in names:
            if not is_ignored(name):
                yield from self._walk_entry(folder, (*parts, name), place / name, rule, rules)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _HeldFolder:
    name: str
    descriptor: int
    stamp: tuple[int, ...]


class Way:
    """The folders on the way to the one that was reached last, held open: the next file is most
    often in the same one.

    A descriptor that is held is as good as a new one if the name on the way still leads to the same
    folder and nothing was done to it: what is open keeps its number, so no other folder can have it.
    """

    def __init__(self) -> None:
        self._tree: Tree | None = None
        self._folders: list[_HeldFolder] = []
        self._lock = threading.Lock()

    @contextmanager
    def reach(
        self, tree: Tree, parts: tuple[str, ...], rules: AccessRules
    ) -> Iterator[tuple[int, FolderRule]]:
        """A descriptor of this folder, good inside the block, and the nearest rule on the way to
        it: every name and every rule is looked at anew.

        Raises OSError.
        """
        with self._lock:
            if self._tree is not tree:
                self._let_go()
                self._tree = tree
            folder, rule = tree.descriptor, rules.rule_in_folder(tree.descriptor, tree.place.name)
            for depth, name in enumerate(parts):
                held = self._step(depth, name, folder) or self._open(depth, name, folder)
                folder = held.descriptor
                rule = _nearer(rules.rule_in_folder(folder, name, held.stamp), rule)
            yield folder, rule

    def _step(self, depth: int, name: str, above: int) -> _HeldFolder | None:
        """The folder that is held, if this name leads to it and it is as it was when it was opened."""
        if depth == len(self._folders) or self._folders[depth].name != name:
            return None
        about = os.stat(name, dir_fd=above, follow_symlinks=False)
        held = self._folders[depth]
        return held if held.stamp == file_stamp(about) else None

    def _open(self, depth: int, name: str, above: int) -> _HeldFolder:
        self._let_go(depth)
        descriptor = os.open(name, _ENTRY | os.O_DIRECTORY, dir_fd=above)
        try:
            stamp = file_stamp(os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise
        self._folders.append(_HeldFolder(name, descriptor, stamp))
        return self._folders[-1]

    def _let_go(self, depth: int = 0) -> None:
        while len(self._folders) > depth:
            os.close(self._folders.pop().descriptor)

    def __del__(self) -> None:
        self._let_go()


def _open_inner(folder: int, parts: tuple[str, ...]) -> int:
    """The folder of this name in a folder that is open. Raises OSError."""
    if len(parts) > MAX_DEPTH:
        raise OSError(errno.EMLINK, f"It is more than {MAX_DEPTH} folders deep")
    return os.open(parts[-1], _ENTRY | os.O_DIRECTORY, dir_fd=folder)


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
