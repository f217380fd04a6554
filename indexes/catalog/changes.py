"""The change log that derived indexes follow.

Internal: its numbers move with hidden writes, so no caller sees them.

Every change makes a new state with a random token. A number alone is not enough: a catalog that was
put back from a copy and written to again has the same numbers and is another one.
"""

import secrets
from collections.abc import Collection, Sequence
from typing import Literal

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from indexes.catalog.database import in_batches
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
_OF_PAIR = delete(document_changes).where(
    document_changes.c.document_id == bindparam("document"),
    document_changes.c.reader_set_id == bindparam("held_by"),
)
_TOUCH_ONE = (
    update(reader_sets)
    .where(reader_sets.c.id == bindparam("held_by"))
    .values(changed=bindparam("number"))
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


_several = (
    select(principals.c.id)
    .where(principals.c.id.in_(bindparam("several", expanding=True)))
    .cte("below_several", recursive=True)
)
_below_several = _several.union(
    select(memberships.c.member_id).join(_several, memberships.c.group_id == _several.c.id)
)
_SEVERAL_CHANGED = (
    update(principals)
    .where(principals.c.id.in_(select(_below_several.c.id)))
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


def note_several_people(connection: Connection, principal_ids: Collection[int]) -> None:
    """`note_people` for each of these, in one state."""
    if not principal_ids:
        return
    number = note(connection, "access")
    for batch in in_batches(sorted(principal_ids)):
        connection.execute(_SEVERAL_CHANGED, {"several": list(batch), "changed_at": number})


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


def note_documents(connection: Connection, changed: Sequence[tuple[int, Collection[int]]]) -> None:
    """`note_document` for each of these, in this order, in few statements.

    changed: document and the reader sets that it touches; no document twice. Each has a state of
    its own, so that whoever follows may stop behind any of them.
    """
    newest: dict[int, int] = {}  # number by reader set
    rows: list[dict[str, int]] = []
    if not changed:
        return
    numbers = _new_states(connection, len(changed))
    for (document_id, touched), number in zip(changed, numbers, strict=True):
        for each in sorted(set(touched)):
            newest[each] = number
            rows.append({"reader_set_id": each, "document_id": document_id, "number": number})
    pairs = [{"document": row["document_id"], "held_by": row["reader_set_id"]} for row in rows]
    connection.execute(_OF_PAIR, pairs)
    connection.execute(_ADD_OF_DOCUMENT, rows)
    touches = [{"held_by": each, "number": number} for each, number in newest.items()]
    connection.execute(_TOUCH_ONE, touches)


def _new_state(connection: Connection) -> int:
    """The number of the state that this change leads to.

    Now and then forgets what is too old to be followed from.
    """
    number: int = connection.execute(_NEW_STATE, {"token": secrets.token_bytes(16)}).scalar_one()
    if number % FORGOTTEN_TOGETHER == 0:
        _forget_old_states(connection, number)
    return number


def _new_states(connection: Connection, count: int) -> Sequence[int]:
    """The numbers of as many states, ascending, made in one statement."""
    tokens = [{"token": secrets.token_bytes(16)} for _ in range(count)]
    numbers = sorted(connection.execute(_NEW_STATE, tokens).scalars())
    if numbers[-1] // FORGOTTEN_TOGETHER > (numbers[0] - 1) // FORGOTTEN_TOGETHER:
        _forget_old_states(connection, numbers[-1])
    return numbers


def _forget_old_states(connection: Connection, newest: int) -> None:
    for forget in _FORGET:
        connection.execute(forget, {"oldest": newest - KEPT_STATES})
