"""What a directory keeps is changed by the directory alone; operators may hold, hand over and
remove.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlalchemy import Connection, select, update

from indexes.catalog.schema import directory_entries, principals
from indexes.errors import BadInput

_acting: ContextVar[bool] = ContextVar("acting", default=False)


@contextmanager
def acting_as_directory() -> Iterator[None]:
    """What is changed inside the block is what the directory wants."""
    before = _acting.set(True)
    try:
        yield
    finally:
        _acting.reset(before)


def refuse_by_hand(connection: Connection, principal_id: int) -> None:
    """Raises BadInput if a directory keeps this principal, unless it is the directory that acts."""
    if _acting.get() or not is_kept(connection, principal_id):
        return
    name = str(connection.scalar(select(principals.c.name).where(principals.c.id == principal_id)))
    kind = name.partition(":")[0]
    raise BadInput(
        f"The directory keeps {name}; what is changed here it would not know.",
        remedy=f"Change it in the directory, or take it over first: clearance {kind}s take-back {name}.",
    )


def note_state_by_hand(connection: Connection, principal_id: int, state: str) -> None:
    """Whoever an operator has disabled stays so, whatever the directory says.

    Raises BadInput if somebody is to be enabled whom the directory has taken out.
    """
    if _acting.get():
        return
    entry = directory_entries.c
    shut_out = select(entry.shut_out).where(entry.principal_id == principal_id)
    if state == "active" and connection.scalar(shut_out):
        raise BadInput("The directory has taken this user out.", remedy="Put the user back there.")
    held = int(state == "disabled")
    connection.execute(
        update(directory_entries).where(entry.principal_id == principal_id).values(held=held)
    )


def is_kept(connection: Connection, principal_id: int) -> bool:
    wanted = select(directory_entries.c.principal_id).where(
        directory_entries.c.principal_id == principal_id
    )
    return connection.scalar(wanted) is not None
