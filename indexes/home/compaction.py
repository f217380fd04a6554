"""What was removed is in no byte of the home any more, and the home takes no more room than it needs."""

import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from indexes.blobs import BlobFolder
from indexes.catalog import Catalog
from indexes.derived import checkpoint
from indexes.errors import Busy, CorpusError
from indexes.ingest_lock import ingest_lock
from indexes.kept_files import may_remove
from indexes.model import Actor
from indexes.originals import OriginalFolder
from indexes.private_files import NOT_SECRET
from indexes.settings import Settings
from indexes.switching import leftovers

_UPLOADING_S = 3_600  # an upload may still be under way so long
_OF_REPLACED = "*-of-replaced"  # logs of catalogs that were exchanged by hand


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionReport:
    """How large the home was, and is."""

    bytes_before: int
    bytes_after: int
    removed: tuple[str, ...]  # folders and files that were left from before


def compact(settings: Settings, catalog: Catalog, *, by: Actor) -> CompactionReport:
    """Questions go on being answered, but for a moment in which writers wait.

    Raises Busy if documents are being ingested, a backup is made, or somebody reads or writes just
    then; CorpusError, StorageFull.
    """
    home = settings.home
    with ingest_lock(home):
        with may_remove(home) as may:
            if not may:
                raise Busy("A backup is being made.", remedy="Wait for its end, then run again.")
        before = _size(home)
        removed = [path.name for path in (*leftovers(home), *home.glob(_OF_REPLACED))]
        _remove(home, removed)
        OriginalFolder(home).clean_up(catalog.originals, by)
        BlobFolder(home).remove_orphans(catalog.uploads.blob_ids(), _UPLOADING_S)
        catalog.shrink()
        with closing(catalog.open_trail()) as trail:
            trail.shrink()
        _discard_checkpoint(home / checkpoint.IN_HOME)
        return CompactionReport(
            bytes_before=before, bytes_after=_size(home), removed=tuple(removed)
        )


def _discard_checkpoint(folder: Path) -> None:
    """It holds words and vectors as they were; the next start builds it anew."""
    checkpoint.discard(folder)
    if any(folder.glob("checkpoint-*")):
        raise Busy(
            "A process reads or writes a checkpoint of the indexes.",
            remedy="Run again in a moment.",
        )


def _remove(home: Path, names: list[str]) -> None:
    try:
        for name in names:
            if (home / name).is_dir():
                shutil.rmtree(home / name)
            else:
                (home / name).unlink()
    except OSError as error:
        raise CorpusError(f"{error.filename} cannot be removed: {error.strerror}.") from error


def _size(home: Path) -> int:
    """In bytes, models left out."""
    found = 0
    for path in home.rglob("*"):
        if path.relative_to(home).parts[0] not in NOT_SECRET and path.is_file():
            found += path.lstat().st_size
    return found
