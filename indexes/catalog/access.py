"""Who may read what, as SQL. Both gates and nothing else stand on this page.

Gate one resolves a principal to the reader sets of its view; gate two repeats the decision, from
the tables and not from any cache, inside the very statement that reads text. Statements are made
once; `asker_parameters` gives their parameters.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    DateTime,
    Select,
    String,
    bindparam,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
)

from indexes.catalog.prepared import Prepared
from indexes.catalog.schema import Id, api_keys, memberships, principals, reader_set_entries
from indexes.errors import BadPrincipal, NotAuthenticated, NotPermitted
from indexes.model import PUBLIC, Principal

MAX_TOKEN_GROUPS = 10_000  # refused above, never cut short: a cut could drop a deny


def asker_parameters(principal: Principal) -> dict[str, Any]:
    """The parameters of every guarded statement: who asks, by which key, at what time.

    Raises BadPrincipal.
    """
    if len(principal.groups) > MAX_TOKEN_GROUPS:
        raise BadPrincipal(
            f"The token names {len(principal.groups)} groups; at most {MAX_TOKEN_GROUPS} are accepted."
        )
    if principal.groups and any(not name.startswith("group:") for name in principal.groups):
        raise BadPrincipal("A token may name groups only.")
    return {
        "asker": principal.name,
        "asker_id": principal.id,
        "asker_key": principal.key,
        "now": datetime.now(UTC).replace(tzinfo=None),  # as `Moment` keeps it
        "names": [PUBLIC, *sorted(principal.groups)],
    }


_by_name = (
    select(principals.c.id)
    .where(principals.c.name == bindparam("asker", type_=String))
    .scalar_subquery()
)
_key: BindParameter[str | None] = bindparam("asker_key", type_=String)
_key_holds = or_(
    _key.is_(None),
    exists().where(
        api_keys.c.id == _key,
        api_keys.c.user_id == principals.c.id,
        api_keys.c.revoked_at.is_(None),
        or_(
            api_keys.c.expires_at.is_(None),
            api_keys.c.expires_at > bindparam("now", type_=DateTime),
        ),
    ),
)
_asker = (
    select(principals.c.id)
    .where(
        principals.c.id == func.coalesce(bindparam("asker_id", type_=Id), _by_name),
        principals.c.known == 1,
        _key_holds,
    )
    .cte("asker")
    .prefix_with("MATERIALIZED")
)
"""The asker, by its id if it has one.

Nothing for a user removed or disabled, or a key that no longer holds.
"""

_CONFIRMED = Prepared(select(_asker.c.id))
_SCOPES = select(api_keys.c.scopes).where(api_keys.c.id == _key)
_counts = ~principals.c.name.startswith("group:") | (
    (principals.c.external == 1) & (principals.c.known == 1)
)
"""A token may bring its bearer into groups that are declared as the identity provider's, and into
no others.
"""

_said = principals.c.name.in_(bindparam("names", expanding=True)) & _counts
_named = (
    select(principals.c.id, principals.c.changed)
    .where(
        or_(principals.c.id == select(_asker.c.id).scalar_subquery(), _said),
        exists(select(_asker.c.id)),
    )
    .cte("named")
    .prefix_with("MATERIALIZED")
)
_start = select(_named.c.id).cte("mine", recursive=True)
_mine = _start.union(
    select(memberships.c.group_id).join(_start, memberships.c.member_id == _start.c.id)
)
"""Ids of the asker itself, `public`, its token's groups, and every group those are in; cycles end
by UNION.

Empty for an asker that is not a known user or whose key no longer holds, so that it reads nothing
at once.
"""

IDENTITIES = select(_mine.c.id)


def confirm(connection: Connection, principal: Principal, scope: str | None = None) -> None:
    """Who came with a key is still that user, and the key still holds, in the state that this
    connection sees.

    scope: what the key must carry besides. Raises NotAuthenticated and NotPermitted. To anybody
    else the guarded statements give nothing; this tells that apart from an answer in which there is
    nothing.
    """
    if not _came_with_proof(principal) and scope is None:
        return
    if not _CONFIRMED.rows(connection, asker_parameters(principal)):
        raise NotAuthenticated()
    if scope is not None and scope not in (
        connection.scalar(_SCOPES, {"asker_key": principal.key}) or ()
    ):
        raise NotPermitted()


def _came_with_proof(principal: Principal) -> bool:
    return principal.key is not None or principal.id is not None


_entry = reader_set_entries.c
_MENTIONS = select(_entry.effect, _entry.reader_set_id).where(_entry.principal_id.in_(IDENTITIES))
_MENTIONS_AMONG = _MENTIONS.where(_entry.reader_set_id.in_(bindparam("among", expanding=True)))


def readable_sets(
    connection: Connection, principal: Principal, among: Collection[int] | None = None
) -> list[int]:
    """Gate one: the reader sets that allow one of the asker's identities and deny none of them,
    ascending.

    among: decide about these few only.
    """
    mentioned: dict[str, set[int]] = {"allow": set(), "deny": set()}
    asked, only = (_MENTIONS, {}) if among is None else (_MENTIONS_AMONG, {"among": sorted(among)})
    for effect, reader_set in connection.execute(asked, {**asker_parameters(principal), **only}):
        mentioned[effect].add(reader_set)
    return sorted(mentioned["allow"] - mentioned["deny"])


Asker = tuple[int, int, int]
"""How many principals the asker is by itself, the newest change of any of them, and the sum of
their ids.
"""

_ASKER = Prepared(
    select(
        func.count(),
        func.coalesce(func.max(_named.c.changed), 0),
        func.coalesce(func.sum(_named.c.id), 0),
    )
)
_WHO = Prepared(select(_mine.c.id))


def asker(connection: Connection, principal: Principal) -> Asker:
    """What tells whether the identities are others than before, without looking them up.

    Raises NotAuthenticated.

    By itself an asker is a user, `public`, and what its token says. Whoever changes a membership
    notes it with the member and with everybody inside it, so it costs the same however many groups
    there are.
    """
    (((count, changed, ids),)) = _ASKER.rows(connection, asker_parameters(principal))
    if not count and _came_with_proof(principal):
        raise NotAuthenticated()
    return count, changed, int(ids)


def identities(connection: Connection, principal: Principal) -> frozenset[int]:
    """Ids of the asker and of all groups that it is in; none if it is nobody, or if its key does
    not hold.
    """
    return frozenset(found for (found,) in _WHO.rows(connection, asker_parameters(principal)))


_MOST_NEW = 1_000
_NEW_ENTRIES = Prepared(
    select(_entry.reader_set_id, _entry.effect, _entry.principal_id)
    .where(_entry.reader_set_id > bindparam("since"))
    .limit(literal_column(str(_MOST_NEW)))
)


def new_entries(connection: Connection, since: int) -> Sequence[tuple[int, str, int]] | None:
    """(reader set, effect, principal) of every reader set above `since`. If None, there are too
    many to look at each.

    Entries of a reader set are never changed and ids of reader sets only grow, so what was decided
    about older sets holds for as long as the identities are the same. All new sets are read,
    whomever they name: a few of them cost less than to look up each of an asker's groups, and an
    asker may be in hundreds.
    """
    rows = _NEW_ENTRIES.rows(connection, {"since": since})
    return rows if len(rows) < _MOST_NEW else None


def _sets_with(effect: str) -> Select[tuple[int]]:
    return select(_entry.reader_set_id).where(
        _entry.effect == effect, _entry.principal_id.in_(IDENTITIES)
    )


READABLE_SETS = (
    _sets_with("allow").except_(_sets_with("deny")).cte("readable_sets").prefix_with("MATERIALIZED")
)
"""The same sets as part of another statement, from the tables themselves."""

NO_SET = 0  # stands for the readers of what does not exist: no reader set has this id


def _count_entries(effect: str) -> ColumnElement[Any]:
    entry = (
        _entry.principal_id == _mine.c.id,
        _entry.effect == effect,
        _entry.reader_set_id == bindparam("reader_set"),
    )
    return func.count(select(literal(1)).where(*entry).correlate(_mine).scalar_subquery())


_tallied: Select[Any] = select(_count_entries("allow"), _count_entries("deny")).select_from(_mine)
_DECISION = Prepared(_tallied)
"""How many of the asker's identities one reader set allows and denies.

The work is that of looking up each of them, and the same for any set and for none.
"""


def may_read_set(connection: Connection, principal: Principal, reader_set: int) -> bool:
    """Whether the asker may read what has these readers; NO_SET takes as long as a set that does
    not name it.
    """
    ((allowed, denied),) = _DECISION.rows(
        connection, {**asker_parameters(principal), "reader_set": reader_set}
    )
    return bool(allowed and not denied)


# a sum: the database looks up the set, which names few, and not every group
_named_there = _entry.principal_id + 0
# the first two only spare the third: most sets name the asker or one of its own groups
_IS_MINE = or_(
    _named_there.in_(select(_named.c.id)),
    exists().where(
        memberships.c.group_id == _named_there, memberships.c.member_id.in_(select(_named.c.id))
    ),
    _named_there.in_(IDENTITIES),
)
"""Whether an entry of a reader set names one of the asker's identities."""


def may_read(reader_set_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Gate two: a condition on one reader set, evaluated per row from the tables themselves."""

    def says(effect: str) -> ColumnElement[bool]:
        named = select(literal(1)).where(
            _entry.reader_set_id == reader_set_id, _entry.effect == effect, _IS_MINE
        )
        return exists(named.correlate_except(reader_set_entries, _named, _mine))

    return says("allow") & ~says("deny")
