"""The one file that a backup is: a tar of ordinary files, with a manifest as the last of them.

Who reads one believes nothing of it: only names that a home has, only ordinary files, each once, and
in the end exactly those that the manifest lists, each with its size and SHA-256.
"""

import hashlib
import json
import os
import re
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedWriter, BytesIO
from pathlib import Path
from typing import IO, Any

from indexes import durable
from indexes.catalog.copying import DUMP
from indexes.catalog.engines import CATALOG_FILE
from indexes.errors import BadInput, StorageFull

MANIFEST = "manifest.json"
FORMAT = 1
_NAMES = re.compile(
    r"catalog\.(?:sqlite|dump)|audit\.sqlite|audit\.key|originals/[0-9a-f]{2}/[0-9a-f]{64}|uploads/[\w-]{1,64}",
    re.ASCII,
)
_LARGEST_MANIFEST = 1 << 30
_BLOCK = 1 << 20
_OTHER = "Name a file that `clearance backup` wrote."


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a backup."""

    size: int
    sha256: str


class Hashed:
    """A file that is read from its beginning, with the SHA-256 of what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        block = self._file.read(size)
        self._digest.update(block)
        return block

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class Archive:
    """A backup that is being written."""

    def __init__(self, file: BufferedWriter) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w:", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        self._members: dict[str, Member] = {}

    def add(self, name: str, path: Path) -> str:
        """Returns the SHA-256 of what was written. Raises OSError."""
        with durable.open_ordinary(path) as file:
            about = _entry(name, os.fstat(file.fileno()).st_size)
            hashed = Hashed(file)
            self._tar.addfile(about, hashed)
        self._members[name] = Member(about.size, hashed.sha256)
        return hashed.sha256

    def finish(self, told: Mapping[str, Any]) -> None:
        """Raises OSError."""
        files = {
            name: {"size": each.size, "sha256": each.sha256} for name, each in self._members.items()
        }
        content = json.dumps({"format": FORMAT, **told, "files": files}, indent=1).encode()
        self._tar.addfile(_entry(MANIFEST, len(content)), BytesIO(content))
        self._tar.close()


def unpack(place: Path, into: Path) -> Mapping[str, Any]:
    """The manifest of a backup, once all of its files are in this folder as it lists them.

    Raises BadInput for what is no whole backup, StorageFull, OSError.
    """
    found: dict[str, Member] = {}
    manifest: Mapping[str, Any] | None = None
    try:
        with (
            durable.open_ordinary(place) as file,
            tarfile.open(fileobj=file, mode="r:") as archive,
        ):
            for about in archive:
                if manifest is not None or about.name in found:
                    raise _no_backup(place, "it holds more than it should")
                content = _content(archive, about, place)
                if about.name == MANIFEST:
                    manifest = _read_manifest(content, about, place)
                else:
                    found[about.name] = _unpack_one(content, about, into)
    except (tarfile.TarError, EOFError) as error:
        raise _no_backup(place, "it is damaged or was cut off") from error
    if manifest is None:
        raise _no_backup(place, "its end is missing")
    if wrong := _differing(manifest, found):
        raise _no_backup(place, f"{wrong} is not as it was written")
    return manifest


def _content(archive: tarfile.TarFile, about: tarfile.TarInfo, place: Path) -> IO[bytes]:
    ordinary = about.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not about.issparse()
    if not ordinary or not (about.name == MANIFEST or _NAMES.fullmatch(about.name)):
        raise _no_backup(place, "it holds what no backup holds")
    content = archive.extractfile(about)
    assert content is not None  # of an ordinary file
    return content


def _unpack_one(content: IO[bytes], about: tarfile.TarInfo, into: Path) -> Member:
    if about.size > shutil.disk_usage(into).free:
        raise StorageFull("Nothing was changed.")
    target = into / about.name
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    hashed = Hashed(content)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(hashed, file, _BLOCK)
        size = file.tell()
    return Member(size, hashed.sha256)


def _read_manifest(content: IO[bytes], about: tarfile.TarInfo, place: Path) -> Mapping[str, Any]:
    if about.size > _LARGEST_MANIFEST:
        raise _no_backup(place, "its list of files is too long")
    try:
        manifest: Mapping[str, Any] = json.loads(content.read())
        known = manifest["format"] == FORMAT
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _no_backup(place, "its list of files cannot be read") from error
    if not known:
        raise _no_backup(place, "it has another form", "Install the version that wrote it.")
    return manifest


def _differing(manifest: Mapping[str, Any], found: Mapping[str, Member]) -> str | None:
    """The first file that is not as the manifest lists it."""
    try:
        listed = {
            name: Member(each["size"], each["sha256"]) for name, each in manifest["files"].items()
        }
    except (KeyError, TypeError, AttributeError):
        return MANIFEST
    if not listed.keys() & {CATALOG_FILE, DUMP}:
        return CATALOG_FILE
    names = sorted(listed.keys() | found.keys())
    return next((name for name in names if listed.get(name) != found.get(name)), None)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    about = tarfile.TarInfo(name)
    about.size, about.mode = size, durable.PRIVATE
    return about


def _no_backup(place: Path, why: str, remedy: str = _OTHER) -> BadInput:
    return BadInput(f"{place.name} is no whole backup: {why}. Nothing was changed.", remedy=remedy)
