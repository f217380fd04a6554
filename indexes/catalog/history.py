"""A catalog that was put back from a backup goes another way than the one it was copied from.

What callers and processes hold of the former way is not taken for a part of the present one: ids of
views, positions, cursors, versions of directory entries, checkpoints of indexes. All but the versions
are made with a secret that each history has for itself; those of former ones are kept only to say
why something is refused.
"""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from indexes.catalog.audit.changes import record_change
from indexes.catalog.changes import note
from indexes.catalog.database import Database
from indexes.catalog.schema import directory_entries, installation, sessions
from indexes.model import Actor

_HISTORIES = "histories"
BEFORE_THE_BACKUP = "It was given out before the catalog was put back from a backup."  # to callers
_BYTES = 32
_FEWEST, _MOST = 1 << 16, 1 << 20  # versions that nobody counts up to between two backups


def begin_history(database: Database, told: Mapping[str, Any], *, by: Actor) -> None:
    """From now on it goes its own way. told: of the backup, for the record.

    Nobody is signed in on the page any more: who signed out since the backup would be signed in
    again.
    """
    with database.writing(by) as connection:
        begun = secrets.token_bytes(_BYTES) + _histories(connection)
        connection.execute(delete(installation).where(installation.c.name == _HISTORIES))
        connection.execute(insert(installation).values(name=_HISTORIES, value=begun))
        step = _FEWEST + secrets.randbelow(_MOST - _FEWEST)
        moved = update(directory_entries).values(version=directory_entries.c.version + step)
        connection.execute(moved)
        connection.execute(delete(sessions))
        note(connection, "rebuild")
        record_change(connection, "catalog.restored", "catalog", after=told)


def history_secrets(connection: Connection, secret: bytes) -> tuple[bytes, ...]:
    """Of the present history and then of each before it. secret: of the installation, which the
    first history has.
    """
    begun = _histories(connection)
    tokens = (begun[at : at + _BYTES] for at in range(0, len(begun), _BYTES))
    return (*(hashlib.sha256(b"history" + secret + token).digest() for token in tokens), secret)


def _histories(connection: Connection) -> bytes:
    """A random token of each time that the catalog was put back, the newest first."""
    wanted = select(installation.c.value).where(installation.c.name == _HISTORIES)
    return connection.scalar(wanted) or b""
