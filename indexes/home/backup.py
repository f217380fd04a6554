"""A backup: all that is truth in a home, as it was at one change of the catalog.

The catalog is copied first. The files that this copy names are copied after it, each under the hash
of its content, and nothing removes one of them before the backup is whole (`kept_files`).
"""

import errno
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from indexes import blobs, durable, originals
from indexes.catalog import Catalog
from indexes.catalog.audit.seals import KEY_FILE
from indexes.catalog.audit.trail import AUDIT_FILE, Trail
from indexes.catalog.copying import Copied, copy_database
from indexes.errors import BadInput, StorageFull
from indexes.home.archive import Archive
from indexes.home.last_backup import note_backup
from indexes.kept_files import keep_files
from indexes.originals import OriginalFolder
from indexes.private_files import keep_private
from indexes.version import installed_version

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """What a backup holds."""

    file: str
    bytes: int
    state: int  # number of the newest change in it
    documents: int
    originals: int
    uploads: int
    models: tuple[str, ...]  # names of embedding models; they are not in it
    missing: tuple[str, ...]  # files that the catalog names and the home does not have as they were


def back_up(
    home: Path, catalog: Catalog, trail: Trail, place: Path, *, replace: bool, with_key: bool
) -> BackupReport:
    """Writes the backup while others read and write. It is there as a whole or not at all.

    Raises BadInput, BadConfiguration, StorageFull, CatalogUnavailable.
    """
    if place.exists() and not replace:
        raise BadInput(f"{place} is there already.", remedy="Name another file, or --replace it.")
    if not place.parent.is_dir():
        raise BadInput(f"There is no folder {place.parent}.", remedy="Make it, or name another.")
    keep_private(home)
    begun = datetime.now(UTC)
    with _translating_errors(place), keep_files(home):
        durable.remove_leftovers(place)
        with tempfile.TemporaryDirectory(
            prefix=f".{place.name}.partial-", dir=place.parent
        ) as aside:
            copies = Path(aside)
            name, copied = catalog.copy_into(copies)
            if trail.file is not None:
                copy_database(trail.database, copies / AUDIT_FILE)
            with durable.replace_file(place) as file:
                archive = Archive(file)
                for each in (name, AUDIT_FILE) if trail.file is not None else (name,):
                    archive.add(each, copies / each)
                    (copies / each).unlink()
                if with_key and (home / KEY_FILE).exists():
                    archive.add(KEY_FILE, home / KEY_FILE)
                missing = tuple(_add_files(archive, home, copied))
                archive.finish(_describe(copied, missing))
    note_backup(home, begun)
    return BackupReport(
        file=str(place),
        bytes=place.stat().st_size,
        state=copied.state,
        documents=copied.documents,
        originals=len(copied.originals),
        uploads=len(copied.uploads),
        models=copied.models,
        missing=missing,
    )


def _add_files(archive: Archive, home: Path, copied: Copied) -> Iterator[str]:
    """Adds the files that the copy names. Gives back the names of those that are not as they were."""
    kept = OriginalFolder(home)
    wanted = [
        (f"{originals.FOLDER}/{each[:2]}/{each}", kept.path_of(each), each)
        for each in copied.originals
    ]
    waiting = zip(copied.uploads, copied.upload_digests, strict=True)
    wanted += [
        (f"{blobs.FOLDER}/{each}", home / blobs.FOLDER / each, digest) for each, digest in waiting
    ]
    for name, path, sha256 in wanted:
        try:
            written = archive.add(name, path)
        except FileNotFoundError:
            written = None
        if written != sha256:
            yield name


def _describe(copied: Copied, missing: tuple[str, ...]) -> Mapping[str, Any]:
    return {
        "clearance": installed_version(),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "schema": copied.schema,
        "state": copied.state,
        "documents": copied.documents,
        "models": list(copied.models),
        "missing": list(missing),
    }


@contextmanager
def _translating_errors(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"{place.name} was not written.") from error
        raise BadInput(f"{place.name} cannot be written: {error.strerror or error}.") from error
