"""Derived indexes on disk, only to start fast: written aside, synced, renamed; verified before a byte is believed."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from indexes.errors import IndexDamaged

FORMAT = 3
_MANIFEST = "manifest.json"
_CURRENT = "CURRENT"  # names the folder that counts; swapped in one step


def save(home: Path, facts: Mapping[str, Any], write: Callable[[Path], None]) -> None:
    """Make what `write` puts into a folder the checkpoint, or leave the former one as it was."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(prefix="checkpoint-", dir=home))
    try:
        write(folder)
        digests = {path.name: _digest(path) for path in sorted(folder.iterdir())}
        manifest = {"format": FORMAT, "facts": dict(facts), "sha256": digests}
        (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        for path in (*folder.iterdir(), folder):
            _sync(path)
        pointer = home / f"{_CURRENT}.{folder.name}"
        pointer.write_text(folder.name, encoding="utf-8")
        _sync(pointer)
        pointer.replace(home / _CURRENT)
        _sync(home)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _forget_others(home, folder.name)


def verified(home: Path, facts: Mapping[str, Any]) -> Path | None:
    """The checkpoint's folder; None if there is none or it was made for other facts. Raises IndexDamaged."""
    try:
        folder = home / (home / _CURRENT).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT or manifest["facts"] != dict(facts):
            return None
        wrong = [name for name, digest in manifest["sha256"].items() if _digest(folder / name) != digest]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexDamaged(f"{folder.name}: {error}") from error
    if wrong:
        raise IndexDamaged(f"{folder.name}: {', '.join(wrong)} changed since it was written.")
    return folder


def discard(home: Path) -> None:
    """Forget the checkpoint; the next start builds everything from the catalog."""
    shutil.rmtree(home, ignore_errors=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _forget_others(home: Path, kept: str) -> None:
    for path in home.glob("checkpoint-*"):
        if path.name != kept:
            shutil.rmtree(path, ignore_errors=True)
