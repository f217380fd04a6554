"""What the working tree is compared with: which commit, and its product in a folder of its own."""

import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCT = ("indexes", "ingest", "service")
BESIDE = ("bench", "tools")  # what measures is the working tree's on both sides


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    commit: str
    about: str  # in words: which one it is, and why


class NoBase(Exception):
    """There is no such commit."""


def choose_base(wanted: str | None) -> Base:
    """The wanted commit; else the newest tag; else where this branch left the main one; else, on the
    main branch itself, the last commit, or the one before if nothing was changed since.

    Raises NoBase.
    """
    if wanted:
        return _describe(wanted, "as asked for")
    if tag := _git("describe", "--tags", "--abbrev=0"):
        return _describe(tag, f"the last release, {tag}")
    for main in ("origin/main", "main"):
        left = _git("merge-base", "HEAD", main)
        if left and left != _git("rev-parse", "HEAD"):
            return _describe(left, f"where this branch left {main}; there is no release yet")
    if is_changed():
        return _describe("HEAD", "the last commit; there is no release yet")
    return _describe("HEAD^", "the commit before the last; there is no release yet")


def is_changed() -> bool:
    """Whether the product of the working tree differs from its last commit."""
    return bool(_git("status", "--porcelain", "--", *PRODUCT))


def describe_now() -> str:
    """The last commit, and whether the product was changed since; nothing without a repository."""
    try:
        return _describe("HEAD", "with changes" if is_changed() else "unchanged").about
    except NoBase:
        return "no repository"


def check_out(base: Base, folder: Path) -> Path:
    """The product of that commit, beside the bench of the working tree.

    It stays there for the next time, since kernels are compiled once for each place; other commits'
    are removed.
    """
    place = folder / base.commit[:12]
    for other in folder.glob("*"):
        if other != place:
            shutil.rmtree(other)
    if not place.exists():
        packed = subprocess.run(
            ["git", "archive", base.commit, *PRODUCT], cwd=ROOT, capture_output=True, check=True
        )
        partial = folder / "partial"
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(partial, filter="data")
        for name in BESIDE:
            (partial / name).symlink_to(ROOT / name)
        partial.rename(place)
    return place


def _describe(name: str, why: str) -> Base:
    found = _git("log", "-1", "--format=%H %h %cs %s", name)
    if not found:
        raise NoBase(f"There is no commit {name}.")
    commit, _, told = found.partition(" ")
    return Base(commit=commit, about=f"{told} ({why})")


def _git(*command: str) -> str:
    """What it says; nothing if it fails."""
    done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
