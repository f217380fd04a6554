"""Who may read what, as SQL. Both gates and nothing else stand on this page.

Gate one resolves a principal to the reader sets of its view; gate two repeats the decision, from the tables and not
from any cache, inside the very statement that reads text. Statements are made once; `asking` gives their parameters.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, func, literal, or_, select

from indexes.catalog.database import Prepared
from indexes.catalog.schema import memberships, principals, reader_set_entries
from indexes.errors import BadPrincipal
from indexes.model import PUBLIC, Principal

MAX_TOKEN_GROUPS = 10_000  # refused above, never cut short: a cut could drop a deny


def asking(principal: Principal) -> dict[str, Any]:
    """The parameters `asker` and `names` of every guarded statement. Raises BadPrincipal."""
    if len(principal.groups) > MAX_TOKEN_GROUPS:
        raise BadPrincipal(f"The token names {len(principal.groups)} groups; at most {MAX_TOKEN_GROUPS} are accepted.")
    if any(not name.startswith("group:") for name in principal.groups):
        raise BadPrincipal("A token may name groups only.")
    return {"asker": principal.name, "names": [principal.name, PUBLIC, *sorted(principal.groups)]}


_asker = principals.alias("asker")
_known = exists(select(_asker.c.id).where(_asker.c.name == bindparam("asker"), _asker.c.known == 1))
_named = select(principals.c.id).where(principals.c.name.in_(bindparam("names", expanding=True)), _known).cte("named")
_start = select(_named.c.id).cte("mine", recursive=True)
_mine = _start.union(select(memberships.c.group_id).join(_start, memberships.c.member_id == _start.c.id))
"""Ids of the asker itself, `public`, its token's groups, and every group those are in; cycles end by UNION.

Empty for an asker that is not a known user, so that a removed user reads nothing at once.
"""

IDENTITIES = select(_mine.c.id)

_entry = reader_set_entries.c
_MENTIONS = select(_entry.effect, _entry.reader_set_id).where(_entry.principal_id.in_(IDENTITIES))
_MENTIONS_AMONG = _MENTIONS.where(_entry.reader_set_id.in_(bindparam("among", expanding=True)))


def readable_sets(connection: Connection, principal: Principal, among: Collection[int] | None = None) -> list[int]:
    """Gate one: the reader sets that allow one of the asker's identities and deny none of them, ascending.

    among: decide about these few only.
    """
    mentioned: dict[str, set[int]] = {"allow": set(), "deny": set()}
    asked, only = (_MENTIONS, {}) if among is None else (_MENTIONS_AMONG, {"among": sorted(among)})
    for effect, reader_set in connection.execute(asked, {**asking(principal), **only}):
        mentioned[effect].add(reader_set)
    return sorted(mentioned["allow"] - mentioned["deny"])


def _sets_that(effect: str) -> Select[tuple[int]]:
    return select(_entry.reader_set_id).where(_entry.effect == effect, _entry.principal_id.in_(IDENTITIES))


READABLE_SETS = _sets_that("allow").except_(_sets_that("deny")).cte("readable_sets").prefix_with("MATERIALIZED")
"""The same sets as part of another statement, from the tables themselves."""

NO_SET = 0  # stands for the readers of what does not exist: no reader set has this id


def _looked_up(effect: str) -> ColumnElement[Any]:
    entry = _entry.principal_id == _mine.c.id, _entry.effect == effect, _entry.reader_set_id == bindparam("reader_set")
    return func.count(select(literal(1)).where(*entry).correlate(_mine).scalar_subquery())


_counts: Select[Any] = select(_looked_up("allow"), _looked_up("deny")).select_from(_mine)
_DECISION = Prepared(_counts)
"""How many of the asker's identities one reader set allows and denies. The work is that of looking up each of them, and
the same for any set and for none."""


def may_read_set(connection: Connection, principal: Principal, reader_set: int) -> bool:
    """Whether the asker may read what has these readers; NO_SET takes as long as a set that does not name it."""
    ((allowed, denied),) = _DECISION.rows(connection, {**asking(principal), "reader_set": reader_set})
    return bool(allowed and not denied)


_named_there = _entry.principal_id + 0  # a sum: the database looks up the set, which names few, and not every group
_IS_MINE = or_(  # the first two only spare the third: most sets name the asker or one of its own groups
    _named_there.in_(select(_named.c.id)),
    exists().where(memberships.c.group_id == _named_there, memberships.c.member_id.in_(select(_named.c.id))),
    _named_there.in_(IDENTITIES),
)
"""Whether an entry of a reader set names one of the asker's identities."""


def may_read(reader_set_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Gate two: a condition on one reader set, evaluated per row from the tables themselves."""

    def says(effect: str) -> ColumnElement[bool]:
        named = select(literal(1)).where(_entry.reader_set_id == reader_set_id, _entry.effect == effect, _IS_MINE)
        return exists(named.correlate_except(reader_set_entries, _named, _mine))

    return says("allow") & ~says("deny")
