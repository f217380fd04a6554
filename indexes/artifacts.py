"""Folders that take long to make, made once: built aside under a lock, put into place durably, and
verified.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from indexes import durable
from indexes.errors import BadConfiguration
from indexes.file_locks import lock_file

ORIGIN = "origin.json"
"""What the folder was made from and the SHA-256 of every file in it."""

Report = Callable[[str], None]
"""Told in one sentence whenever something slow starts or ends."""

log = logging.getLogger(__name__)


def make_once(
    folder: Path, origin: Mapping[str, str], make: Callable[[Path], None], report: Report = log.info
) -> Path:
    """The folder, filled by `make` unless it is there already, made from the same origin, and
    verifies.

    Any number of processes may ask at once: one works, the others wait. A process killed half-way
    leaves nothing that counts as finished. Raises BadConfiguration when the folder holds something
    that this function did not make.
    """
    try:
        if _is_intact(folder, origin, lambda _: None):  # needs no lock, so a read-only disk is fine
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        told = f"Another process is making {folder}; waiting for it."
        with lock_file(_beside(folder, "lock"), waiting=lambda: report(told)):
            if not _is_intact(folder, origin, report):
                _make(folder, origin, make)
                report(f"{folder} is ready.")
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadConfiguration(
            f"The folder {folder} cannot be made: {reason}.",
            remedy="Give a folder on a writable disk with 2 GB free.",
        ) from error
    return folder


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hex.

    Read again only when the file has changed since this process last read it.
    """
    stat = path.stat()
    return _sha256(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, _inode: int, _size: int, _modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _beside(folder: Path, kind: str) -> Path:
    return folder.parent / f".{folder.name}.{kind}"


def _is_intact(folder: Path, origin: Mapping[str, str], report: Report) -> bool:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        written = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        files: dict[str, str] = written.pop("files")
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise BadConfiguration(
            f"{folder} exists and was not made by Clearance.",
            remedy="Name another folder, or move this one away.",
        ) from error
    if written != dict(origin):
        report(f"{folder} was made from something else; making it again.")
        return False
    damaged = durable.changed_files(folder, files, sha256_of)
    if damaged:
        report(f"{folder} is damaged ({', '.join(damaged)}); making it again.")
    return not damaged


def _make(folder: Path, origin: Mapping[str, str], make: Callable[[Path], None]) -> None:
    partial, replaced = _beside(folder, "partial"), _beside(folder, "replaced")
    for leftover in (partial, replaced):  # of a process that was killed; nobody else has the lock
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    try:
        make(partial)
        files = durable.digests(partial, sha256_of)
        for name in files:
            # some writers keep their files to one user; models are no secret
            (partial / name).chmod(0o644)
        text = json.dumps({**origin, "files": files}, indent=2, ensure_ascii=False) + "\n"
        (partial / ORIGIN).write_text(text, encoding="utf-8")
        durable.sync_tree(partial)
        durable.replace_folder(folder, partial, replaced)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
