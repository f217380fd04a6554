"""What is changed in catalogs, and who acts in each transaction that changes it."""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from indexes.catalog.database import actor_of

_CHANGE = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)')


@contextmanager
def watched_writes() -> Iterator[dict[str, set[str]]]:
    """The names of those who changed a table inside the block, by table.

    In every catalog of this process. Raises LookupError at a change in whose transaction nobody
    acts.
    """
    seen: dict[str, set[str]] = defaultdict(set)

    def note(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        if change := _CHANGE.match(statement):
            seen[change[1]].add(actor_of(connection).name)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
