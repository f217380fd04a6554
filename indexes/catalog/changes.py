"""The change log that derived indexes follow.

Internal: its numbers move with hidden writes, so no caller sees them.

Every change makes a new state with a random token. A number alone is not enough: a catalog that was
put back from a copy and written to again has the same numbers and is another one.
"""

import secrets
from collections.abc import Collection
from typing import Literal

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from indexes.catalog.schema import (
    changes,
    document_changes,
    memberships,
    principals,
    reader_sets,
    states,
)

# rules: an existing reader set has other entries
ChangeKind = Literal["access", "generation", "rebuild", "rules"]

KEPT_STATES = 100_000  # what was made from an older state is built anew
FORGOTTEN_TOGETHER = 100  # states

_NEW_STATE = insert(states).returning(states.c.number)
_FORGET = [
    delete(table).where(table.c.number <= bindparam("oldest"))
    for table in (states, document_changes)
]
_touched: BindParameter[int] = bindparam("touched", expanding=True)
_OF_DOCUMENT = delete(document_changes).where(
    document_changes.c.document_id == bindparam("document"),
    document_changes.c.reader_set_id.in_(_touched),
)
_ADD_OF_DOCUMENT = insert(document_changes)
_TOUCH = (
    update(reader_sets).where(reader_sets.c.id.in_(_touched)).values(changed=bindparam("number"))
)

_start = (
    select(principals.c.id)
    .where(principals.c.id == bindparam("principal"))
    .cte("below", recursive=True)
)
_below = _start.union(
    select(memberships.c.member_id).join(_start, memberships.c.group_id == _start.c.id)
)
_CHANGED = (
    update(principals)
    .where(principals.c.id.in_(select(_below.c.id)))
    .values(changed=bindparam("changed_at"))
)


def note(connection: Connection, kind: ChangeKind) -> int:
    """Record that something changed, in the transaction that changes it.

    Only the newest note of a kind is kept.

    Returns the number of the state that this leads to.
    """
    number = _new_state(connection)
    connection.execute(delete(changes).where(changes.c.kind == kind))
    connection.execute(insert(changes).values(kind=kind, number=number))
    return number


def note_people(connection: Connection, principal_id: int) -> None:
    """Record that this principal is somebody else to rules than before, and with it everybody in
    it.

    After a change of memberships: of the member. Before its own memberships are deleted: of a group
    that goes.
    """
    number = note(connection, "access")
    connection.execute(_CHANGED, {"principal": principal_id, "changed_at": number})


def note_document(connection: Connection, document_id: int, touched: Collection[int]) -> None:
    """Record that a document was written or removed, in the transaction that does it.

    touched: the reader sets that held it before and that hold it now. Who reads none of them has
    nothing to follow.
    """
    number = _new_state(connection)
    these = sorted(set(touched))
    connection.execute(_OF_DOCUMENT, {"document": document_id, "touched": these})
    rows = [{"reader_set_id": each, "document_id": document_id, "number": number} for each in these]
    connection.execute(_ADD_OF_DOCUMENT, rows)
    connection.execute(_TOUCH, {"touched": these, "number": number})


def _new_state(connection: Connection) -> int:
    """The number of the state that this change leads to.

    Now and then forgets what is too old to be followed from.
    """
    number: int = connection.execute(_NEW_STATE, {"token": secrets.token_bytes(16)}).scalar_one()
    if number % FORGOTTEN_TOGETHER == 0:
        for forget in _FORGET:
            connection.execute(forget, {"oldest": number - KEPT_STATES})
    return number
