"""Uploaded bytes into the folder of their source, and files of deleted documents out of it.

Every folder on the way is opened from its parent's descriptor, so nothing leads out of the source. A
file is there as a whole or not at all.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from indexes.catalog.sources import NamedSource
from indexes.errors import (
    SourceBroken,
    SourceRefused,
    SourceUnavailable,
    StorageFull,
)
from indexes.file_names import taken_for
from indexes.model import Readers
from ingest.access import AccessRules
from ingest.tree import Tree, Way

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK = 1 << 20


def rule_at(source: NamedSource, parts: tuple[str, ...]) -> Readers:
    """The rule that a run would find for a file at this place. Raises NoReaders, SourceUnavailable."""
    rules, tree = AccessRules(), _open(source)
    try:
        folder = parts[:-1]
        while True:
            try:
                with Way().reach(tree, folder, rules) as (_, rule):
                    return rules.readers(tree.place.joinpath(*parts), rule, source.readers)
            except FileNotFoundError:
                folder = folder[:-1]
    except OSError as error:
        raise _unavailable(error) from error
    finally:
        tree.close()


def place_file(
    source: NamedSource, parts: tuple[str, ...], content: BinaryIO, sha256: str, mark: str
) -> bool:
    """The content at this place from now on, in the place of a file that was there. True if none was.

    mark: of this upload, for the name while it is written; what a killed attempt left under it goes.
    Raises SourceRefused for a name that is taken or looks like one that is, SourceBroken if it is not
    the content that was uploaded, SourceUnavailable, StorageFull.
    """
    try:
        with _folder_of(source, parts, make=True) as folder:
            is_new = _check_name(folder, parts[-1])
            aside = f".{mark}.partial"
            try:
                _write(folder, aside, content, sha256)
                os.rename(aside, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(aside, dir_fd=folder)
            os.fsync(folder)
            return is_new
    except OSError as error:
        raise _unavailable(error) from error


def remove_file(source: NamedSource, parts: tuple[str, ...]) -> None:
    """No file is there; it need not be now. Raises SourceUnavailable."""
    try:
        with _folder_of(source, parts, make=False) as folder:
            os.unlink(parts[-1], dir_fd=folder)
            os.fsync(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unavailable(error) from error


def _open(source: NamedSource) -> Tree:
    """Raises SourceUnavailable if the source is not in its place."""
    try:
        tree = Tree.open(source.root)
    except OSError as error:
        raise _unavailable(error) from error
    if tree.place != source.root:
        tree.close()
        raise SourceUnavailable(f"The folder of {source.name} is a link now.")
    return tree


@contextmanager
def _folder_of(source: NamedSource, parts: tuple[str, ...], *, make: bool) -> Iterator[int]:
    """A descriptor of the folder that a file is in. make: folders that are missing. Raises OSError."""
    tree = _open(source)
    folder = os.dup(tree.descriptor)
    tree.close()
    try:
        for name in parts[:-1]:
            inner = _open_inner(folder, name, make=make)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _open_inner(folder: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    _refuse_lookalike(folder, name)
    with suppress(FileExistsError):
        os.mkdir(name, 0o750, dir_fd=folder)
    os.fsync(folder)
    return os.open(name, _FOLDER, dir_fd=folder)


def _check_name(folder: int, name: str) -> bool:
    """Whether the name is free. Raises SourceRefused if something else than a file has it."""
    try:
        about = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        _refuse_lookalike(folder, name)
        return True
    if not stat.S_ISREG(about.st_mode):
        raise SourceRefused("There is a folder or a link by that name.", remedy="Choose another.")
    return False


def _refuse_lookalike(folder: int, name: str) -> None:
    other = taken_for(name, os.listdir(folder))
    if other is not None:
        told = f"{name!a} could be taken for {other!a}, which is there."
        raise SourceRefused(told, remedy="Choose another name, or replace that one.")


def _write(folder: int, name: str, content: BinaryIO, sha256: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    digest = hashlib.sha256()
    with os.fdopen(os.open(name, flags, 0o640, dir_fd=folder), "wb") as file:
        while block := content.read(_BLOCK):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != sha256:
        raise SourceBroken("It is not what was uploaded.", remedy="Upload it again.")


def _unavailable(error: OSError) -> SourceUnavailable | StorageFull:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull("The file was not written.")
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        told, remedy = "A file or a link stands in its way.", "Choose another path."
        return SourceUnavailable(told, remedy=remedy)
    remedy = "The worker must be allowed to write to the folder of the source."
    return SourceUnavailable(f"{error.strerror or error}.", remedy=remedy)
