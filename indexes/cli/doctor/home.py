"""The home folder: who can read it, whether there is room, indexes on disk, backups, models."""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from indexes.cli.doctor.findings import Check, Finding, advice, good, wrong
from indexes.derived.checkpoint import IN_HOME, CheckpointFacts, describe_checkpoint
from indexes.embedder.answer_scorer import PACKAGED, WORDS
from indexes.errors import IndexDamaged
from indexes.home.last_backup import read_last_backup
from indexes.private_files import CLOSED, NOT_SECRET
from indexes.settings import PREFIX, Settings

GB = 1_000_000_000
FREE_AT_LEAST = GB
CHECKPOINT_IS_OLD = timedelta(days=7)
BACKUP_IS_OLD = timedelta(days=7)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Modes:
    """What of a folder others can use, and what belongs to somebody else."""

    looked_at: int
    open: tuple[str, ...]  # names below the home
    of_others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Of the disk that holds the home."""

    free: int  # bytes
    largest: int  # bytes of the catalog or of the checkpoint, whichever is larger


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """A model that a setting names, and where it is."""

    setting: str
    name: str | None  # None: it is off
    state: str  # here | made at the next start | fetched by name | missing


# Files


def judge_modes(found: Modes) -> Finding:
    if found.of_others:
        return wrong(
            f"Files of the home that belong to another user: {len(found.of_others)}, such as"
            f" {found.of_others[0]}.",
            "Run everything as one user, or give the files to it: chown -R USER the home.",
        )
    if found.open:
        return wrong(
            f"Files of the home that other users of this machine can use: {len(found.open)}, such as"
            f" {found.open[0]}.",
            "The next command that opens the catalog closes them; find out what opened them, such"
            " as a backup that was put back.",
        )
    return good(f"The home is this user's alone, with all that is in it ({found.looked_at}).")


def judge_secret_files(found: Mapping[str, int]) -> Finding:
    """found: modes of the files that hold secrets, by what names them."""
    open_ones = [name for name, mode in found.items() if mode & _OTHERS]
    if open_ones:
        return wrong(
            f"Other users can read files with secrets: {', '.join(open_ones)}.",
            "chmod 600 these files.",
        )
    return good(f"Files that hold secrets are this user's alone ({len(found)}).")


def read_modes(home: Path, user: int) -> Modes:
    """user: who should own it all. What is gone meanwhile is passed over."""
    looked_at, open_ones, of_others = 0, [], []
    for path in _files_below(home):
        try:
            about = path.lstat()
        except OSError:
            continue
        looked_at += 1
        name = "." if path == home else str(path.relative_to(home))
        if about.st_uid != user:
            of_others.append(name)
        if about.st_mode & _OTHERS and not stat.S_ISLNK(about.st_mode):
            open_ones.append(name)
    return Modes(looked_at, tuple(open_ones), tuple(of_others))


def read_secret_files(environ: Mapping[str, str], env_file: Path) -> dict[str, int]:
    """Modes of `.env` and of what settings ending in _FILE name."""
    named = {
        name: Path(value)
        for name, value in environ.items()
        if name.startswith(PREFIX) and name.endswith("_FILE") and value
    }
    places = {**named, ".env": env_file}
    return {name: path.stat().st_mode for name, path in places.items() if path.is_file()}


def _files_below(home: Path) -> Iterator[Path]:
    yield home
    for folder, inside, files in os.walk(home):
        here = Path(folder)
        closed = here != home and here.parent == home and here.name in CLOSED
        inside[:] = [] if closed else [n for n in inside if here != home or n not in NOT_SECRET]
        yield from (here / name for name in (*inside, *(() if closed else files)))


# Room


def judge_disk(found: DiskSpace) -> Finding:
    told = f"{found.free / GB:.1f} GB are free on the disk of the home."
    if found.free < FREE_AT_LEAST:
        return wrong(
            told, "Make room: nothing can be written without it, the audit record included."
        )
    if found.free < found.largest:
        return advice(
            f"{told} The largest part of it has {found.largest / GB:.1f} GB and is written aside"
            " before it is replaced.",
            "Make room before the next rebuild or upgrade.",
        )
    return good(told)


def read_disk(home: Path, catalog_file: Path) -> DiskSpace:
    catalog = catalog_file.stat().st_size if catalog_file.is_file() else 0
    folders = [path for path in (home / IN_HOME).glob("checkpoint-*") if path.is_dir()]
    checkpoint = max(map(_size_of, folders), default=0)
    return DiskSpace(shutil.disk_usage(home).free, max(catalog, checkpoint))


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# Indexes on disk, backups


def judge_checkpoint(found: CheckpointFacts | IndexDamaged | None, now: datetime) -> Finding:
    anew = "A start builds the indexes anew from the catalog"
    if found is None:
        return good(f"There is no checkpoint of the indexes. {anew}.")
    if isinstance(found, IndexDamaged):
        return wrong(
            f"The checkpoint of the indexes cannot be used. {anew}, which takes longer.",
            "Look after the disk; the service writes a new one by itself.",
        )
    if not found.is_ours:
        return advice(
            f"The checkpoint of the indexes is of another version of Clearance. {anew}.",
            "Start the service: it writes a new one by itself.",
        )
    if now - found.written_at > CHECKPOINT_IS_OLD:
        return advice(
            f"The checkpoint of the indexes is {(now - found.written_at).days} days old.",
            "If documents have changed since, see whether the service runs and can write its home.",
        )
    return good(f"The checkpoint of the indexes is whole ({found.bytes / GB:.2f} GB).")


def judge_backup(at: datetime | None, now: datetime) -> Finding:
    if at is None:
        return advice(
            "No backup is noted in the home.",
            "Back up the home and the database regularly, and try to put one back.",
        )
    if now - at > BACKUP_IS_OLD:
        return advice(
            f"The last backup is {(now - at).days} days old.", "Make one, and make it a habit."
        )
    return good(f"The last backup is of {at:%Y-%m-%d %H:%M} UTC.")


# Models


def judge_models(found: Sequence[ModelPlace]) -> list[Finding]:
    return [_judge_model(place) for place in found if place.name is not None]


def _judge_model(place: ModelPlace) -> Finding:
    told = f"{PREFIX}{place.setting.upper()} is {place.name}: "
    if place.state == "missing":
        return wrong(f"{told}there is no such folder.", "Correct the setting, or leave it empty.")
    if place.state == "fetched by name":
        return advice(
            f"{told}no folder, so the next start fetches it by its name.",
            "To need no network, name a folder that holds it.",
        )
    return good(f"{told}{place.state}.")


def read_models(settings: Settings) -> list[ModelPlace]:
    models = settings.home / "models"
    scorer = None if settings.answer_scorer == WORDS else settings.answer_scorer
    named = {"answer_scorer": scorer, "reranker_model": settings.reranker_model}
    return [ModelPlace(setting, name, _state_of(name, models)) for setting, name in named.items()]


def _state_of(name: str | None, models: Path) -> str:
    if name == PACKAGED:
        return (
            "here" if any(models.glob("answers-*")) else "made beside the next service that starts"
        )
    if name is None or Path(name).expanduser().is_dir():
        return "here"
    is_path = Path(name).is_absolute() or name.startswith((".", "~")) or name.count("/") > 1
    return "missing" if is_path else "fetched by name"


# Looking


def _look_at_files(settings: Settings) -> Finding:
    if not settings.home.is_dir():
        return advice(
            f"There is no folder {settings.home.absolute()} yet.",
            "Set CLEARANCE_HOME if it should be another one; the first command makes it.",
        )
    return judge_modes(read_modes(settings.home, os.geteuid()))


def _look_at_secret_files(_settings: Settings) -> Finding:
    return judge_secret_files(read_secret_files(os.environ, Path(".env")))


def _look_at_disk(settings: Settings) -> Finding:
    home = settings.home.absolute()
    there = next(place for place in (home, *home.parents) if place.is_dir())
    return judge_disk(read_disk(there, home / "catalog.sqlite"))


def _look_at_checkpoint(settings: Settings) -> Finding:
    try:
        found: CheckpointFacts | IndexDamaged | None = describe_checkpoint(settings.home / IN_HOME)
    except IndexDamaged as error:
        found = error
    return judge_checkpoint(found, datetime.now(UTC))


def _look_at_backup(settings: Settings) -> Finding:
    return judge_backup(read_last_backup(settings.home), datetime.now(UTC))


def _look_at_models(settings: Settings) -> Sequence[Finding]:
    return judge_models(read_models(settings)) or [good("No scorer and no reranker is named.")]


CHECKS = (
    Check("files", _look_at_files),
    Check("secrets", _look_at_secret_files),
    Check("disk", _look_at_disk),
    # reads every file of it, which takes seconds for a million passages
    Check("checkpoint", _look_at_checkpoint, limit_s=30.0),
    Check("backup", _look_at_backup),
    Check("models", _look_at_models),
)
