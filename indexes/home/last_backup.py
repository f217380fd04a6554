"""When the last backup was made, as `clearance backup`, or whatever else makes backups, notes it.

The note is the file `last-backup.json` in the home: {"at": "2026-11-30T02:00:00+00:00"}. Other names
in it are its writer's own. A note that says no time counts as none.
"""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from indexes import durable

NOTE = "last-backup.json"
_MOST_BYTES = 65_536


def note_backup(home: Path, begun: datetime) -> None:
    """Leaves the note, if there is room for it: the backup is there all the same."""
    said = json.dumps({"at": begun.isoformat(timespec="seconds")})
    with suppress(OSError):
        durable.write(home / NOTE, said.encode())


def read_last_backup(home: Path) -> datetime | None:
    """If None, no backup is noted, or the note cannot be read."""
    try:
        with (home / NOTE).open("rb") as file:
            told = json.loads(file.read(_MOST_BYTES))
        at = datetime.fromisoformat(told["at"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
