"""Statements that every search runs, put into words once and handed to the driver directly."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Select
from sqlalchemy.exc import DBAPIError

_WORDED = 1_000  # forms of one statement that are kept


class Prepared:
    """A statement put into words once for each number of values in its lists.

    For the few that every search runs.

    It goes to the driver directly, and values come and go as the driver has them: rows are tuples
    in the order of the statement's columns, and JSON comes unread from a database that keeps it as
    text.
    """

    def __init__(self, statement: Select[Any] | CompoundSelect[Any]) -> None:
        self.statement = statement
        self._known: dict[tuple[str | int, ...], _Worded] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """values: every parameter by its name; a list for one that stands behind IN.

        Raises DBAPIError.
        """
        lengths = (len(value) for value in values.values() if type(value) is list)
        shape: tuple[str | int, ...] = (connection.dialect.name, *lengths)
        worded = self._known.get(shape)
        if worded is None:
            if len(self._known) >= _WORDED:
                self._known.clear()
            worded = self._known[shape] = self._put_into_words(connection, values)
        given = {**worded.fixed, **values}
        for name in worded.lists:
            given.update(
                (f"{name}_{place}", item) for place, item in enumerate(values[name], start=1)
            )
        sent: Any = tuple(map(given.__getitem__, worded.names))
        if not worded.by_place:
            sent = dict(zip(worded.names, sent, strict=True))
        try:
            cursor = connection.connection.cursor()
            try:
                cursor.execute(worded.sql, sent)
                return cursor.fetchall()
            finally:
                cursor.close()
        except _driver(connection).Error as error:
            raise _wrap_driver_error(connection, worded.sql, error) from error

    def _put_into_words(self, connection: Connection, values: Mapping[str, Any]) -> "_Worded":
        state = self.statement.compile(dialect=connection.dialect).construct_expanded_state(
            dict(values)
        )
        fixed = {name: value for name, value in state.parameters.items() if name not in values}
        names = state.positiontup if state.positiontup is not None else list(state.parameters)
        lists = tuple(name for name, value in values.items() if type(value) is list)
        return _Worded(state.statement, tuple(names), lists, fixed, state.positiontup is not None)


def decode_json(stored: Any) -> Any:
    """JSON as a driver gave it: some read it themselves."""
    if not isinstance(stored, str):
        return stored
    return json.loads(stored) if stored != "[]" else ()


def _driver(connection: Connection) -> Any:
    """The module that speaks to the database."""
    return connection.dialect.dbapi


@dataclass(frozen=True, slots=True)
class _Worded:
    sql: str
    names: tuple[str, ...]  # of the parameters, in the order of the statement
    lists: tuple[str, ...]  # of those values that stand behind IN
    fixed: Mapping[str, Any]  # values that belong to the statement itself
    by_place: bool  # whether this database's driver counts parameters instead of naming them


def _wrap_driver_error(connection: Connection, sql: str, error: Any) -> Exception:
    """The driver's error as SQLAlchemy would have raised it.

    A connection that is lost is not used again.
    """
    dialect = connection.dialect
    assert dialect.dbapi is not None
    lost = dialect.is_disconnect(error, connection.connection, None)
    if lost:
        connection.invalidate(error)
    same: Exception = DBAPIError.instance(
        sql, None, error, dialect.dbapi.Error, connection_invalidated=lost, dialect=dialect
    )
    return same
