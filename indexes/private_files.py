"""The files of a home are its owner's alone: the catalog, keys, indexes, locks and logs are as
secret as the documents.

Said at each opening of a home, whatever umask the process has and whoever made the files. Models
are no secret; they are left as they are, below a folder that nobody else can enter.
"""

import contextlib
import logging
import os
import stat
from pathlib import Path

from indexes.errors import BadConfiguration

NOT_SECRET = frozenset({"models", "huggingface"})
CLOSED = frozenset({"originals"})
"""Folders of many files, which are made for their owner alone: nobody else can enter the folder."""
_FOLDER, _FILE = 0o700, 0o600
# closing one that was opened for reading would drop SQLite's locks
_NAMED = os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW

log = logging.getLogger(__name__)


def keep_private(home: Path) -> tuple[str, ...]:
    """Makes the folder if it is not there, and what others could read, the owner's; the names of
    what was changed.

    Files that this process makes from now on are its user's alone, too. Raises BadConfiguration for
    a link in the home and for a home that cannot be made or be kept.
    """
    os.umask(0o077)
    try:
        private_folder(home)
        # the home itself may be reached by a link
        place = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            changed = [*_restrict(place, str(home), _FOLDER), *_restrict_below(place, "")]
        finally:
            os.close(place)
    except OSError as error:
        raise BadConfiguration(
            f"The folder {home} cannot be used and kept from other users: {error.strerror}.",
            remedy="Set CLEARANCE_HOME to a folder that, with all that is in it, belongs to this user.",
        ) from error
    if changed:
        named = ", ".join(changed[:5]) + (" …" if len(changed) > 5 else "")
        log.warning("Other users could read files of the home, and no longer can: %s", named)
    return tuple(changed)


def private_folder(folder: Path) -> None:
    """Makes the folder for its owner alone; one that is there stays as it is. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER)


def make_private(path: Path) -> None:
    """The file exists, is no link, and is its owner's alone. Raises BadConfiguration."""
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE))
        place = os.open(path, _NAMED)
        try:
            if stat.S_ISLNK(os.fstat(place).st_mode):
                raise BadConfiguration(f"{path} is a link.", remedy="Name the file itself.")
            _restrict(place, str(path), _FILE)
        finally:
            os.close(place)
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be opened: {error.strerror}.") from error


def _restrict_below(folder: int, prefix: str) -> list[str]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    changed: list[str] = []
    for entry in found:
        name = prefix + entry.name
        if name not in NOT_SECRET:
            changed += _restrict_entry(folder, entry, name)
    return changed


def _restrict_entry(folder: int, entry: os.DirEntry[str], name: str) -> list[str]:
    """name: of the entry, from the home on."""
    if entry.is_symlink():
        raise BadConfiguration(
            f"{name} in the home is a link.", remedy="Put the file itself there."
        )
    is_folder = entry.is_dir(follow_symlinks=False)
    if not (is_folder or entry.is_file(follow_symlinks=False)):
        return []
    try:
        place = os.open(entry.name, _LISTED if is_folder else _NAMED, dir_fd=folder)
    except FileNotFoundError:
        return []  # another process has replaced it meanwhile
    try:
        changed = _restrict(place, name, _FOLDER if is_folder else _FILE)
        inside = is_folder and name not in CLOSED
        return [*changed, *(_restrict_below(place, f"{name}/") if inside else ())]
    finally:
        os.close(place)


def _restrict(place: int, name: str, mode: int) -> list[str]:
    about = os.fstat(place)
    if stat.S_IMODE(about.st_mode) & ~mode == 0:
        return []
    Path(f"/proc/self/fd/{place}").chmod(stat.S_IMODE(about.st_mode) & mode)
    return [name]
