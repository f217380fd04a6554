"""What a directory may look for among its own users and groups, and the SQL of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Text, and_, cast, exists, not_, or_, true

from indexes.catalog.schema import directory_entries, memberships
from indexes.principals import fold_name

Field = Literal["id", "external_id", "name", "created_at", "changed_at", "member", "group"]
Operator = Literal["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]

_entry = directory_entries.c
_other = directory_entries.alias("other")
_COLUMNS: dict[str, Any] = {
    "id": _entry.public_id,
    "external_id": _entry.external_id,
    "name": _entry.folded,
    "created_at": _entry.created_at,
    "changed_at": _entry.changed_at,
}
# letters of which small ones, or their one spelling, have letters of ASCII in them; as in JSON
_BECOME_ASCII = ("\\u0130", "\\u037e", "\\u1fef", "\\u212a")
_MOMENTS = frozenset({"created_at", "changed_at"})
_ORDERING = frozenset({"gt", "ge", "lt", "le"})
_PARTS = frozenset({"co", "sw", "ew"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """One attribute of an entry against a value."""

    field: Field
    operator: Operator
    value: str | datetime | None = None

    @property
    def is_indexed(self) -> bool:
        """Whether the database says the same of it as whoever compares the values themselves."""
        if self.operator in _ORDERING:
            return self.field in _MOMENTS and isinstance(self.value, datetime)
        return self.field == "name" or self.operator not in _PARTS


@dataclass(frozen=True, slots=True)
class Mention:
    """What else the directory tells of an entry may have this text somewhere, whatever the case.

    Whatever has it meets the condition, and some that has not. The text must be plain.
    """

    text: str

    @staticmethod
    def is_plain(text: str) -> bool:
        """Whether it stands in JSON as it is."""
        return bool(text) and text.isascii() and text.isprintable() and not set(text) & set('"\\')


@dataclass(frozen=True, slots=True)
class All:
    terms: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class OneOf:
    terms: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Negation:
    term: "Condition"


Condition = Comparison | Mention | All | OneOf | Negation


def sql_of(condition: Condition | None) -> ColumnElement[bool]:
    """The condition on a row of `directory_entries`. It is never NULL."""
    if condition is None:
        return true()
    if isinstance(condition, All):
        return and_(true(), *map(sql_of, condition.terms))
    if isinstance(condition, OneOf):
        return or_(*map(sql_of, condition.terms))
    if isinstance(condition, Negation):
        return not_(sql_of(condition.term))
    if isinstance(condition, Mention):
        told = cast(_entry.attributes, Text)
        odd = [told.contains(each, autoescape=True) for each in _BECOME_ASCII]
        return or_(told.icontains(condition.text, autoescape=True), *odd)
    return _compare(condition)


def _compare(asked: Comparison) -> ColumnElement[bool]:
    if asked.operator == "ne":
        return not_(_compare(Comparison(asked.field, "eq", asked.value)))
    if asked.field in ("member", "group"):
        return _is_linked(asked.field, str(asked.value))
    column = _COLUMNS[asked.field]
    return and_(column.is_not(None), _by_operator(column, asked))


def _by_operator(column: Any, asked: Comparison) -> ColumnElement[bool]:
    value: Any = asked.value
    if asked.field == "name":
        value = fold_name(str(value))
    found: dict[str, Any] = {
        "eq": lambda: column == value,
        "co": lambda: column.contains(value, autoescape=True),
        "sw": lambda: column.startswith(value, autoescape=True),
        "ew": lambda: column.endswith(value, autoescape=True),
        "gt": lambda: column > value,
        "ge": lambda: column >= value,
        "lt": lambda: column < value,
        "le": lambda: column <= value,
    }
    made: ColumnElement[bool] = found[asked.operator]()
    return made


def _is_linked(field: str, public_id: str) -> ColumnElement[bool]:
    """Whether the entry has this member, or is in this group, directly."""
    ours, theirs = memberships.c.group_id, memberships.c.member_id
    if field == "group":
        ours, theirs = theirs, ours
    return exists().where(
        ours == _entry.principal_id,
        theirs == _other.c.principal_id,
        _other.c.public_id == public_id,
        _other.c.left_at.is_(None),
    )
