"""A backup is put back: unpacked aside, checked, made another history, and switched to in one step."""

import errno
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from indexes import blobs, originals
from indexes.catalog import Catalog, dumps
from indexes.catalog.audit.seals import KEY_FILE
from indexes.catalog.copying import DUMP, Copied, read_copy
from indexes.catalog.engines import CATALOG_FILE
from indexes.catalog.migrate import newest_revision
from indexes.errors import BadInput, ClearanceError, CorpusError, StorageFull
from indexes.home.archive import unpack
from indexes.ingest_lock import ingest_lock
from indexes.model import Actor
from indexes.settings import Settings
from indexes.switching import FORMER, STAGED, TRUTH, closed_home, is_pending, opening, switch

_LONGEST = 40  # characters of a time
_UNCHANGED = "Nothing was changed."
_LOADED = "The database holds it already: put back another backup."  # on a server


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What was put back."""

    made_at: str  # when the backup was made
    documents: int
    models: tuple[str, ...]  # names of embedding models that it needs
    missing: tuple[str, ...]  # files that the backup lacks
    has_key: bool  # the one that seals the audit record
    valid_again: tuple[str, ...] | None  # keys that were not valid before; None: not known
    replaced: str | None  # the folder in the home with what was there before


def restore(settings: Settings, place: Path, *, replace: bool, by: Actor) -> RestoreReport:
    """The home is what the backup holds, or, whatever goes wrong, what it was.

    Raises Busy if somebody uses the home, BadInput for what is no whole backup and for a home that
    holds something if it is not to be replaced, CorpusError, StorageFull.
    """
    home, on_server = settings.home, settings.on_server
    with ingest_lock(home), _translating_errors(place):
        with opening(home):  # a switch that was killed is finished first
            holds_something = any((home / name).exists() for name in TRUTH)
        if holds_something and not replace:
            raise BadInput("There is a home already.", remedy="To replace it: --replace.")
        replaces_catalog = on_server and dumps.check_unused(settings.catalog_url, replace=replace)
        with closed_home(home):
            pass
        for left in home.glob(f"{STAGED}*"):
            shutil.rmtree(left)
        staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=home))
        try:
            manifest = unpack(place, staged)
            _check_kind(staged, on_server=on_server)
            if replaces_catalog:
                _check_schema(manifest)
            before = _valid_keys(settings, home)
            copied, valid = _prepare(settings, staged, manifest, by)
            if (home / KEY_FILE).exists() and not (staged / KEY_FILE).exists():
                shutil.copy2(home / KEY_FILE, staged)  # the backup was made without it
            former = _folder_for_former(home)
            report = RestoreReport(
                made_at=str(manifest.get("made_at"))[:_LONGEST],
                documents=copied.documents,
                models=copied.models,
                missing=_find_missing(staged, copied),
                has_key=(staged / KEY_FILE).exists(),
                valid_again=None if before is None else tuple(sorted(valid - before)),
                replaced=former.name if holds_something else None,
            )
            with closed_home(home):
                switch(home, staged, former)
        finally:
            if not is_pending(home):
                shutil.rmtree(staged, ignore_errors=True)
    return report


def _check_kind(staged: Path, *, on_server: bool) -> None:
    """Raises BadInput for a backup of a catalog on the other kind of database."""
    if (staged / DUMP).exists() != on_server:
        there, here = ("a file", "PostgreSQL") if on_server else ("PostgreSQL", "a file")
        raise BadInput(
            f"The backup is of a catalog on {there}, and this one is on {here}."
            " Nothing was changed.",
            remedy="Set CLEARANCE_DATABASE_URL as it was for the backup.",
        )


def _check_schema(manifest: Mapping[str, Any]) -> None:
    """Raises BadInput if tables of another schema would be left beside those of the backup."""
    schema = str(manifest.get("schema"))[:_LONGEST]
    if schema != newest_revision():
        raise BadInput(
            f"The backup has the schema {schema}, and this database has tables of another."
            " Nothing was changed.",
            remedy="Name an empty database in CLEARANCE_DATABASE_URL.",
        )


def _prepare(
    settings: Settings, staged: Path, manifest: Mapping[str, Any], by: Actor
) -> tuple[Copied, set[str]]:
    """Brings the unpacked catalog to the present schema and makes it a history of its own; one on a
    server is in its place then. Returns what it held, and the ids of its valid keys.

    Raises CorpusError.
    """
    if settings.on_server:
        dumps.load(settings.catalog_url, staged / DUMP)
        (staged / DUMP).unlink()
        return _begin(settings.catalog_url, manifest, by, if_damaged=_LOADED)
    copied = read_copy(staged / CATALOG_FILE)
    _check_told(copied, manifest)
    url = f"sqlite:///{staged / CATALOG_FILE}"
    _, valid = _begin(url, manifest, by, if_damaged=_UNCHANGED)
    for each in staged.iterdir():
        if each.name not in TRUTH:
            each.unlink()
    return copied, valid


def _begin(
    url: str, manifest: Mapping[str, Any], by: Actor, *, if_damaged: str
) -> tuple[Copied, set[str]]:
    """As `_prepare`, of a catalog that is in its database already."""
    with closing(Catalog.open(url)) as catalog:
        copied = catalog.describe()
        if damage := catalog.damage(whole=True):
            raise CorpusError(f"{damage[0]} {if_damaged}")
        told = {"made_at": str(manifest.get("made_at"))[:_LONGEST], "state": copied.state}
        catalog.begin_history(told, by=by)
        catalog.open_trail().close()
        return copied, _ids_of_valid_keys(catalog)


def _check_told(copied: Copied, manifest: Mapping[str, Any]) -> None:
    if copied.state != manifest.get("state") or copied.schema != manifest.get("schema"):
        raise CorpusError(f"The backup holds another catalog than it says. {_UNCHANGED}")


def _find_missing(staged: Path, copied: Copied) -> tuple[str, ...]:
    """Names of files that the catalog names and the backup lacks."""
    kept = [f"{originals.FOLDER}/{each[:2]}/{each}" for each in copied.originals]
    waiting = [f"{blobs.FOLDER}/{each}" for each in copied.uploads]
    return tuple(name for name in (*kept, *waiting) if not (staged / name).is_file())


def _valid_keys(settings: Settings, home: Path) -> set[str] | None:
    """Ids of the keys that are valid now; None if the catalog cannot be asked."""
    if not settings.on_server and not (home / CATALOG_FILE).exists():
        return None
    try:
        with closing(Catalog.open(settings.catalog_url)) as catalog:
            return _ids_of_valid_keys(catalog)
    except ClearanceError:
        return None


def _ids_of_valid_keys(catalog: Catalog) -> set[str]:
    now = datetime.now(UTC)
    active = {each.name for each in catalog.people.everybody("user") if each.state == "active"}
    keys = catalog.keys.list()
    return {key.id for key in keys if key.user in active and key.state(now) == "valid"}


def _folder_for_former(home: Path) -> Path:
    made_at = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    return home / f"{FORMER}{made_at}"


@contextmanager
def _translating_errors(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("Nothing was changed.") from error
        what = error.filename or place.name
        raise BadInput(f"{what} cannot be used: {error.strerror or error}.") from error
