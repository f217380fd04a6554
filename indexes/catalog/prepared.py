"""Statements that every search runs, put into words once and handed to the driver directly."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, CompoundSelect, Connection, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.visitors import iterate

_parse_json = json.JSONDecoder().raw_decode  # what `json.loads` does at the end of a longer way
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
        # parameters that stand behind IN, but for those whose values are a part of the statement
        self._lists = tuple(
            sorted(
                {
                    each.key
                    for each in iterate(statement)
                    if isinstance(each, BindParameter) and each.expanding and not each.unique
                }
            )
        )

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """values: every parameter by its name; a list for one that stands behind IN.

        Raises DBAPIError.
        """
        worded = self._in_words(connection, values)
        sent = worded.parameters(values)
        try:
            cursor = connection.connection.cursor()
            try:
                cursor.execute(worded.sql, sent)
                return cursor.fetchall()
            finally:
                cursor.close()
        except _driver(connection).Error as error:
            raise wrap_driver_error(connection, worded.sql, error) from error

    def _in_words(self, connection: Connection, values: Mapping[str, Any]) -> "_Worded":
        lengths = [len(values[name]) for name in self._lists]
        shape: tuple[str | int, ...] = (connection.dialect.name, *lengths)
        worded = self._known.get(shape)
        if worded is None:
            if len(self._known) >= _WORDED:
                self._known.clear()
            worded = self._known[shape] = self._put_into_words(connection, values)
        return worded

    def _put_into_words(self, connection: Connection, values: Mapping[str, Any]) -> "_Worded":
        state = self.statement.compile(dialect=connection.dialect).construct_expanded_state(
            dict(values)
        )
        by_place = state.positiontup is not None
        names = tuple(state.positiontup if state.positiontup is not None else state.parameters)
        from_list = {
            f"{name}_{place}": (name, place - 1)
            for name in self._lists
            for place in range(1, len(values[name]) + 1)
        }
        fixed = [None if n in values or n in from_list else state.parameters[n] for n in names]
        single = [(place, name) for place, name in enumerate(names) if name in values]
        listed = [(place, *from_list[n]) for place, n in enumerate(names) if n in from_list]
        return _Worded(state.statement, names, fixed, single, listed, by_place)


def decode_json(stored: Any) -> Any:
    """JSON as a driver gave it: some read it themselves."""
    if not isinstance(stored, str):
        return stored
    return _parse_json(stored)[0] if stored != "[]" else ()


def _driver(connection: Connection) -> Any:
    """The module that speaks to the database."""
    return connection.dialect.dbapi


@dataclass(frozen=True, slots=True)
class _Worded:
    sql: str
    names: Sequence[str]  # of the parameters, in the order of the statement
    fixed: Sequence[Any]  # their values, as far as they belong to the statement itself
    single: Sequence[tuple[int, str]]  # (place of a parameter, name of its value)
    listed: Sequence[tuple[int, str, int]]  # (place of a parameter, name of its list, place there)
    by_place: bool  # whether this database's driver counts parameters instead of naming them

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """As the driver wants them."""
        sent = list(self.fixed)
        for place, name in self.single:
            sent[place] = values[name]
        for place, name, number in self.listed:
            sent[place] = values[name][number]
        return sent if self.by_place else dict(zip(self.names, sent, strict=True))


def wrap_driver_error(connection: Connection, sql: str, error: Any) -> Exception:
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
