"""Derived indexes on disk, only to start fast: written aside, synced, renamed; verified before a
byte is believed.

Several processes may share a folder. Who writes a checkpoint or reads one holds a lock on it, and
only what CURRENT does not name and nobody holds is ever deleted. Whatever is damaged, also the
pointer, raises IndexDamaged and nothing else.
"""

import errno
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from indexes import durable
from indexes.errors import IndexDamaged
from indexes.file_locks import lock_folder
from indexes.private_files import private_folder

FORMAT = 4
IN_HOME = "derived"  # the folder of a home that holds checkpoints
_MANIFEST = "manifest.json"
_CURRENT = "CURRENT"  # names the folder that counts; swapped in one step
_NAME = re.compile(r"checkpoint-\w{1,64}", re.ASCII)
_NAME_BYTES = 128  # more than a name has
_TRIES = 100  # others may put newer checkpoints into place while one is opened
_lock = partial(lock_folder, required=False)  # also where a file system has no locks
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


def save(home: Path, facts: Mapping[str, Any], write: Callable[[Path], None]) -> None:
    """Make what `write` puts into a folder the checkpoint, or leave the former one as it was."""
    private_folder(home)
    home.chmod(0o700)
    with ExitStack() as held:
        with _lock(home):
            folder = Path(tempfile.mkdtemp(prefix="checkpoint-", dir=home))
            held.enter_context(_lock(folder))
        try:
            write(folder)
            _seal(folder, facts)
            with _lock(home):
                _point_to(home, folder.name)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with _lock(home):
            _delete_others(home)


@contextmanager
def open_checkpoint(home: Path, facts: Mapping[str, Any]) -> Iterator[Path | None]:
    """The checkpoint's folder, which stays while the block runs; None if there is none or it was
    made for other facts.

    Raises IndexDamaged.
    """
    with ExitStack() as held:
        folder = _lock_current(home, held)
        yield None if folder is None or not _verify(folder, facts) else folder


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """The checkpoint that is there, every file of it as it was written."""

    written_at: datetime
    bytes: int
    is_ours: bool  # written by this version of its format; a start takes no other


def describe_checkpoint(home: Path) -> CheckpointFacts | None:
    """For operators; None if there is none. Changes nothing. Raises IndexDamaged."""
    with ExitStack() as held:
        folder = _lock_current(home, held)
        if folder is None:
            return None
        facts = _read_facts(folder)
        sizes = [path.stat().st_size for path in folder.iterdir()]
        written = (folder / _MANIFEST).stat().st_mtime
    return CheckpointFacts(datetime.fromtimestamp(written, UTC), sum(sizes), facts is not None)


def discard(home: Path) -> None:
    """Forget the checkpoint; the next start builds everything from the catalog."""
    with suppress(OSError), _lock(home):
        _remove(home / _CURRENT)
        _delete_others(home)


def _lock_current(home: Path, held: ExitStack) -> Path | None:
    """The folder that CURRENT names, locked against deletion for as long as `held` is open."""
    for _ in range(_TRIES):
        name = _current_name(home)
        if name is None:
            return None
        with ExitStack() as holding:
            try:
                if (home / name).is_symlink():
                    raise OSError(errno.ELOOP, "It is a link")
                holding.enter_context(_lock(home / name, shared=True))
            except OSError as error:
                if _current_name(home) != name:
                    continue
                raise IndexDamaged(f"{name}: {error.strerror}") from error
            if _current_name(home) == name:
                held.push(holding.pop_all())
                return home / name
    raise IndexDamaged("The checkpoint is replaced again and again.")


def _current_name(home: Path) -> str | None:
    """What CURRENT names; None if it is not there."""
    try:
        with durable.open_ordinary(home / _CURRENT) as file:
            name = file.read(_NAME_BYTES).decode().strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise IndexDamaged(f"{_CURRENT}: {error}") from error
    if not _NAME.fullmatch(name):
        raise IndexDamaged(f"{_CURRENT} names no checkpoint.")
    return name


def _verify(folder: Path, facts: Mapping[str, Any]) -> bool:
    """Whether it was made for these facts.

    Raises IndexDamaged unless every file is as it was written.
    """
    return _read_facts(folder, lambda told: told == dict(facts)) is not None


def _read_facts(
    folder: Path, wanted: Callable[[Mapping[str, Any]], bool] = lambda _: True
) -> Mapping[str, Any] | None:
    """What it was made for; None if that is not wanted, or if its format is another one.

    Raises IndexDamaged unless every file is as it was written.
    """
    try:
        with durable.open_ordinary(folder / _MANIFEST) as file:
            manifest = json.loads(file.read())
        facts: Mapping[str, Any] = manifest["facts"]
        if manifest["format"] != FORMAT or not wanted(facts):
            return None
        wrong = durable.changed_files(folder, manifest["sha256"])
    except _DAMAGE as error:
        raise IndexDamaged(f"{folder.name}: {error}") from error
    if wrong:
        raise IndexDamaged(f"{folder.name}: {', '.join(wrong)} changed since it was written.")
    return facts


def _seal(folder: Path, facts: Mapping[str, Any]) -> None:
    manifest = {"format": FORMAT, "facts": dict(facts), "sha256": durable.digests(folder)}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(durable.PRIVATE)
    durable.sync_tree(folder)


def _point_to(home: Path, name: str) -> None:
    current = home / _CURRENT
    if current.is_dir() and not current.is_symlink():
        shutil.rmtree(current)
    durable.write(current, name.encode())


def _delete_others(home: Path) -> None:
    """Delete what CURRENT does not name, unless somebody writes or reads it."""
    try:
        kept = _current_name(home)
    except IndexDamaged:
        kept = None
    for path in home.glob("checkpoint-*"):
        if path.name != kept:
            with suppress(OSError), _lock(path, wait=False):
                _remove(path)
    durable.remove_leftovers(home / _CURRENT)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
