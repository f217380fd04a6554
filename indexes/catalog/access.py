"""Who may read what, as SQL. Both gates and nothing else stand on this page.

Gate one resolves a principal to the reader sets of its view; gate two repeats the decision, from
the tables and not from any cache, inside the very statement that reads text. Statements are made
once; `asker_parameters` gives their parameters.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Connection,
    DateTime,
    Select,
    String,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)

from indexes.catalog.prepared import Prepared
from indexes.catalog.schema import (
    Id,
    api_keys,
    key_scopes,
    memberships,
    principal_scopes,
    principal_subjects,
    principals,
    reader_set_entries,
)
from indexes.errors import BadPrincipal, NotAuthenticated, NotPermitted
from indexes.model import PUBLIC, Identities, Principal
from indexes.scopes import ACT_AS, ASK, includes

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
        "key_scope": ASK if principal.acted_by is None else ACT_AS,
        "now": datetime.now(UTC).replace(tzinfo=None),  # as `Moment` keeps it
        "names": [PUBLIC, *sorted(principal.groups)],
        "told_by": principal.told_by,
    }


_by_name = (
    select(principals.c.id)
    .where(principals.c.name == bindparam("asker", type_=String))
    .scalar_subquery()
)
_key: BindParameter[str | None] = bindparam("asker_key", type_=String)
_key_scope: BindParameter[str] = bindparam("key_scope", type_=String)


def _key_holds(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """There is no key to look at, or there is one that holds and meets these conditions."""
    in_time = or_(
        api_keys.c.expires_at.is_(None),
        api_keys.c.expires_at > bindparam("now", type_=DateTime),
    )
    there = exists().where(
        api_keys.c.id == _key, api_keys.c.revoked_at.is_(None), in_time, *conditions
    )
    return or_(_key.is_(None), there)


_is_own_key = api_keys.c.user_id == principals.c.id
_sender = principals.alias("sender")
_may_act_as_others = and_(
    _key_scope == ACT_AS,
    exists().where(_sender.c.id == api_keys.c.user_id, _sender.c.known == 1),
)
_carries_scope = exists().where(
    key_scopes.c.key_id == api_keys.c.id, key_scopes.c.scope == _key_scope
)
_asker = (
    select(principals.c.id)
    .where(
        principals.c.id == func.coalesce(bindparam("asker_id", type_=Id), _by_name),
        principals.c.known == 1,
        _key_holds(_carries_scope, or_(_is_own_key, _may_act_as_others)),
    )
    .cte("asker")
    .prefix_with("MATERIALIZED")
)
"""The asker, by its id if it has one.

Nothing for a user removed or disabled, or a key that no longer holds or may not ask.
"""

_CONFIRMED = Prepared(select(_asker.c.id))
_holder = (
    select(principals.c.id)
    .where(
        principals.c.id == bindparam("asker_id", type_=Id),
        principals.c.known == 1,
        _key_holds(_is_own_key),
    )
    .cte("holder")
)
_HELD = Prepared(
    select(_holder.c.id, func.coalesce(key_scopes.c.scope, principal_scopes.c.scope))
    .select_from(_holder)
    .outerjoin(key_scopes, key_scopes.c.key_id == _key)
    .outerjoin(
        principal_scopes, and_(_key.is_(None), principal_scopes.c.principal_id == _holder.c.id)
    )
)
"""The scopes of a key, or of a person who came without one. No row for who may not come at all."""

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
_link = principal_subjects.c
_untold = (
    select((literal("group:") + _link.provider + "/").label("prefix"))
    .where(
        _link.principal_id == select(_asker.c.id).scalar_subquery(),
        _link.provider != func.coalesce(bindparam("told_by", type_=String), ""),
    )
    .cte("untold")
    .prefix_with("MATERIALIZED")
)
_prefix = _untold.c.prefix
_possible = (
    select(principals.c.id, principals.c.changed)
    .where(
        exists(select(_prefix)),  # if there is none, the table is not looked at
        principals.c.external == 1,
        principals.c.known == 1,
        exists().where(func.substr(principals.c.name, 1, func.length(_prefix)) == _prefix),
    )
    .cte("possible")
    .prefix_with("MATERIALIZED")
)
_possible_start = select(_possible.c.id).cte("maybe", recursive=True)
_maybe = _possible_start.union(
    select(memberships.c.group_id).join(
        _possible_start, memberships.c.member_id == _possible_start.c.id
    )
)
"""Ids of the groups that an asker may be in without our knowing: all declared ones of the providers
that know it and have not told all its groups with this request, and those they are in.

They count for denies only. Empty for whom no provider knows.
"""
_POSSIBLE = select(_maybe.c.id)


def confirm(connection: Connection, principal: Principal, scope: str = ASK) -> None:
    """Who came with a key is still that user, and the key still holds and carries the scope, in the
    state that this connection sees. Of a person without a key the catalog knows the scopes.

    Raises NotAuthenticated and NotPermitted. To anybody else the guarded statements give nothing;
    this tells that apart from an answer in which there is nothing.
    """
    if scope != ASK:
        _confirm_scope(connection, principal, scope)
    elif _came_with_proof(principal) and not _CONFIRMED.rows(
        connection, asker_parameters(principal)
    ):
        raise NotAuthenticated()


def _confirm_scope(connection: Connection, principal: Principal, scope: str) -> None:
    if principal.acted_by is not None:
        raise NotPermitted()
    if not includes(held_scopes(connection, principal), scope):
        raise NotPermitted()


def held_scopes(connection: Connection, principal: Principal) -> frozenset[str]:
    """What the principal may do by its key, or as a person. Raises NotAuthenticated."""
    held = _HELD.rows(connection, asker_parameters(principal))
    if not held:
        raise NotAuthenticated()
    of_everybody = (ASK,) if principal.key is None else ()
    return frozenset({name for _, name in held if name is not None}.union(of_everybody))


def _came_with_proof(principal: Principal) -> bool:
    return principal.key is not None or principal.id is not None


_entry = reader_set_entries.c
_mentions = select(_entry.effect, _entry.reader_set_id)
_SAYS_MENTIONS = (
    _mentions.where(_entry.principal_id.in_(IDENTITIES)),
    _mentions.where(_entry.principal_id.in_(_POSSIBLE), _entry.effect == "deny"),
)
_among = _entry.reader_set_id.in_(bindparam("among", expanding=True))
_MENTIONS = union_all(*_SAYS_MENTIONS)
_MENTIONS_AMONG = union_all(*(says.where(_among) for says in _SAYS_MENTIONS))


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

_basis = union_all(
    select(_named.c.id, _named.c.changed), select(_possible.c.id, _possible.c.changed)
).subquery("basis")
_ASKER = Prepared(
    select(
        func.count(),
        func.coalesce(func.max(_basis.c.changed), 0),
        func.coalesce(func.sum(_basis.c.id), 0),
    )
)
_WHO = Prepared(union_all(select(_mine.c.id, literal(1)), select(_maybe.c.id, literal(0))))


def asker(connection: Connection, principal: Principal) -> Asker:
    """What tells whether the identities are others than before, without looking them up.

    Raises NotAuthenticated.

    By itself an asker is a user, `public`, and what its token says or does not tell. Whoever changes a membership
    notes it with the member and with everybody inside it, so it costs the same however many groups
    there are.
    """
    (((count, changed, ids),)) = _ASKER.rows(connection, asker_parameters(principal))
    if not count and _came_with_proof(principal):
        raise NotAuthenticated()
    return count, changed, int(ids)


def identities(connection: Connection, principal: Principal) -> Identities:
    """All that the asker is in this state."""
    found: tuple[set[int], set[int]] = (set(), set())
    for who, is_own in _WHO.rows(connection, asker_parameters(principal)):
        found[is_own].add(who)
    return Identities(own=frozenset(found[1]), possible=frozenset(found[0]))


_GROUPS = Prepared(
    select(principals.c.name).where(
        principals.c.id.in_(IDENTITIES), principals.c.name.startswith("group:")
    )
)


def group_names(connection: Connection, principal: Principal) -> frozenset[str]:
    """Names of all groups that the asker is in."""
    return frozenset(name for (name,) in _GROUPS.rows(connection, asker_parameters(principal)))


def _sets_with(effect: str, those: Select[tuple[int]] = IDENTITIES) -> Select[tuple[int]]:
    return select(_entry.reader_set_id).where(
        _entry.effect == effect, _entry.principal_id.in_(those)
    )


READABLE_SETS = (
    _sets_with("allow")
    .except_(_sets_with("deny"), _sets_with("deny", _POSSIBLE))
    .cte("readable_sets")
    .prefix_with("MATERIALIZED")
)
"""The same sets as part of another statement, from the tables themselves."""

NO_SET = 0  # stands for the readers of what does not exist: no reader set has this id


def _count_entries(effect: str, those: CTE) -> ColumnElement[Any]:
    entry = (
        _entry.principal_id == those.c.id,
        _entry.effect == effect,
        _entry.reader_set_id == bindparam("reader_set"),
    )
    return func.count(select(literal(1)).where(*entry).correlate(those).scalar_subquery())


_DECISION = Prepared(
    union_all(
        select(_count_entries("allow", _mine), _count_entries("deny", _mine)).select_from(_mine),
        select(literal(0), _count_entries("deny", _maybe)).select_from(_maybe),
    )
)
"""How many of the asker's identities one reader set allows and denies, and of the groups that it may
be in.

The work is that of looking up each of them, and the same for any set and for none.
"""


def may_read_set(connection: Connection, principal: Principal, reader_set: int) -> bool:
    """Whether the asker may read what has these readers; NO_SET takes as long as a set that does
    not name it.
    """
    tallied = _DECISION.rows(connection, {**asker_parameters(principal), "reader_set": reader_set})
    return any(allowed for allowed, _ in tallied) and not any(denied for _, denied in tallied)


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

    def says(effect: str, whom: ColumnElement[bool]) -> ColumnElement[bool]:
        named = select(literal(1)).where(
            _entry.reader_set_id == reader_set_id, _entry.effect == effect, whom
        )
        return exists(named.correlate_except(reader_set_entries, _named, _mine, _maybe))

    may_be_mine = or_(_IS_MINE, _named_there.in_(_POSSIBLE))
    return says("allow", _IS_MINE) & ~says("deny", may_be_mine)
