"""What is not as it must be in a home, besides the catalog's rows and the indexes: one finding each,
with what to do about it.
"""

import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from indexes import blobs, durable, originals
from indexes.catalog import Catalog
from indexes.catalog.audit.seals import KEY_FILE, load_key
from indexes.errors import CorpusError
from indexes.originals import OriginalFolder
from indexes.private_files import NOT_SECRET
from indexes.switching import is_pending, leftovers

Where = Literal["home", "database", "audit", "originals", "uploads"]
_OTHERS = 0o077
_TOLD = 20  # files of one kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it must be, or need not be there. For operators only."""

    where: Where
    what: str
    remedy: str
    harmless: bool = False  # it takes room, and nothing is wrong

    def __str__(self) -> str:
        return f"{self.where}: {self.what} {self.remedy}"


def check_permissions(home: Path) -> list[Finding]:
    """Files that other users could read. To be asked before the home is opened, which mends it."""
    open_to_others = [name for name, mode in _modes(home) if mode & _OTHERS]
    return [
        Finding(
            where="home",
            what=f"Other users could read {name}.",
            remedy="Every command takes that away; look who copied or changed it.",
        )
        for name in open_to_others[:_TOLD]
    ]


def check_home(
    home: Path, catalog: Catalog, *, whole: bool, public_keys: Sequence[bytes] = ()
) -> Iterator[Finding]:
    """whole: read every page and every kept file. public_keys: of other homes that seal its audit
    record, too. Writes nothing.
    """
    if is_pending(home):
        yield Finding(where="home", what="A restore was not finished.", remedy="Run it again.")
    for folder in leftovers(home):
        yield Finding(
            where="home",
            what=f"{folder.name} is left of a restore.",
            remedy="If it is not needed any more: clearance compact.",
            harmless=True,
        )
    damage = find_damage(catalog, whole=whole)
    yield from damage
    if damage:
        return  # nothing else that it says can be believed
    yield from _check_audit(home, catalog, public_keys)
    yield from _check_originals(home, catalog, whole=whole)
    yield from _check_uploads(home, catalog)


def find_damage(catalog: Catalog, *, whole: bool) -> list[Finding]:
    """What does not hold in the database itself."""
    try:
        found = catalog.damage(whole=whole)
    except CorpusError as error:
        found = [str(error)]
    remedy = "Put back a backup: clearance restore."
    return [Finding(where="database", what=said, remedy=remedy) for said in found]


def _check_audit(home: Path, catalog: Catalog, public_keys: Sequence[bytes]) -> Iterator[Finding]:
    own = [load_key(home).public] if (home / KEY_FILE).exists() else []
    with closing(catalog.open_trail()) as trail:
        for report in catalog.books(trail).verify([*own, *public_keys]):
            for problem in report.problems:
                yield Finding(
                    where="audit",
                    what=f"{report.book} {report.chain}: {problem}.",
                    remedy="See `clearance audit verify`.",
                )


def _check_originals(home: Path, catalog: Catalog, *, whole: bool) -> Iterator[Finding]:
    folder = OriginalFolder(home)
    named = catalog.originals.kept()
    for sha256 in sorted(named):
        path = folder.path_of(sha256)
        if not path.is_file() or (whole and durable.digest_of(path) != sha256):
            yield Finding(
                where="originals",
                what=f"{path.name} is gone or is not as it was.",
                remedy="Remove it, and ingest its document again.",
            )
    there = {path.name for path in (home / originals.FOLDER).glob("??/*")}
    if strays := there - named - set(catalog.originals.unused()):
        yield _strays("originals", len(strays))


def _check_uploads(home: Path, catalog: Catalog) -> Iterator[Finding]:
    waiting = catalog.uploads.blob_ids()
    there = {path.name for path in (home / blobs.FOLDER).glob("*")}
    for blob in sorted(waiting - there):
        yield Finding(
            where="uploads",
            what=f"The bytes of upload {blob} are gone.",
            remedy="It is to be uploaded again.",
        )
    if strays := there - waiting:
        yield _strays("uploads", len(strays))


def _strays(where: Where, number: int) -> Finding:
    return Finding(
        where=where,
        what=f"{number} files are nobody's.",
        remedy="The next worker or `clearance compact` removes them.",
        harmless=True,
    )


def _modes(home: Path) -> Iterator[tuple[str, int]]:
    if home.is_dir():
        yield str(home), stat.S_IMODE(home.stat().st_mode)
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home)
        closed = name.parts[0] == originals.FOLDER and len(name.parts) > 1  # in a closed folder
        if name.parts[0] not in NOT_SECRET and not closed and not path.is_symlink():
            yield str(name), stat.S_IMODE(path.lstat().st_mode)
