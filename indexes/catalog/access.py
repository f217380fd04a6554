"""Who may read what, as SQL. Both gates and nothing else stand on this page.

Gate one resolves a principal to the reader sets of its view; gate two repeats the decision, from the tables and not
from any cache, inside the very statement that reads text.
"""

from sqlalchemy import CTE, ColumnElement, Connection, Select, exists, literal, select

from indexes.catalog.schema import memberships, principals, reader_set_entries
from indexes.errors import BadPrincipal
from indexes.model import PUBLIC, Principal

MAX_TOKEN_GROUPS = 10_000  # refused above, never cut short: a cut could drop a deny


def identities(principal: Principal) -> CTE:
    """The ids of the principal itself, `public`, and every group it is in, however deep; cycles end by UNION.

    Empty for a principal that is not a known user, so that a removed user reads nothing at once.
    """
    if len(principal.groups) > MAX_TOKEN_GROUPS:
        raise BadPrincipal(f"The token names {len(principal.groups)} groups; at most {MAX_TOKEN_GROUPS} are accepted.")
    if any(not name.startswith("group:") for name in principal.groups):
        raise BadPrincipal("A token may name groups only.")
    user = principals.alias("asker")
    known = exists(select(user.c.id).where(user.c.name == principal.name, user.c.known == 1))
    names = [principal.name, PUBLIC, *sorted(principal.groups)]
    mine = select(principals.c.id).where(principals.c.name.in_(names), known).cte("mine", recursive=True)
    return mine.union(select(memberships.c.group_id).join(mine, memberships.c.member_id == mine.c.id))


def readable_sets(principal: Principal) -> Select[tuple[int]]:
    """Gate one: the reader sets that allow one of the principal's identities and deny none of them, ascending."""
    mine = identities(principal)
    entry = reader_set_entries.c
    allowed = select(entry.reader_set_id).join(mine, entry.principal_id == mine.c.id).where(entry.effect == "allow")
    denied = select(entry.reader_set_id).join(mine, entry.principal_id == mine.c.id).where(entry.effect == "deny")
    readable = allowed.except_(denied).subquery()
    return select(readable.c.reader_set_id).order_by(readable.c.reader_set_id)


def may_read(principal: Principal, reader_set_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Gate two: a condition for one reader set, evaluated per row from the tables themselves."""
    mine = identities(principal)
    entry = reader_set_entries.c

    def says(effect: str) -> ColumnElement[bool]:
        named = select(literal(1)).where(
            entry.reader_set_id == reader_set_id, entry.effect == effect, entry.principal_id.in_(select(mine.c.id))
        )
        return exists(named.correlate_except(reader_set_entries, mine))

    return says("allow") & ~says("deny")


def set_of(connection: Connection, principal: Principal) -> list[int]:
    """The view's reader sets as integers, ascending."""
    return list(connection.scalars(readable_sets(principal)))
