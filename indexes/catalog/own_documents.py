"""The list of what one reader may open, behind both gates."""

from sqlalchemy import Connection, bindparam, select

from indexes.catalog.access import READABLE_SETS, asker_parameters, may_read
from indexes.catalog.schema import documents
from indexes.model import DocumentEntry, Principal

_ENTRY = ("title", "path", "media_type", "collection", "language", "modified_at")
_own = (  # at once, so that no database goes through others' documents in the order of their ids
    select(documents.c.id, documents.c.public_id)
    .where(documents.c.reader_set_id.in_(select(READABLE_SETS.c.reader_set_id)))
    .cte("own")
    .prefix_with("MATERIALIZED")
)
_page = (
    select(_own.c.id)
    .where(_own.c.public_id > bindparam("after"))
    .order_by(_own.c.public_id)
    .limit(bindparam("most"))
    .cte("page")
    .prefix_with("MATERIALIZED")
)
_DOCUMENTS_IN_ORDER = (
    select(documents.c.public_id, *(documents.c[name] for name in _ENTRY))
    .join(_page, _page.c.id == documents.c.id)
    .where(may_read(documents.c.reader_set_id))
    .order_by(documents.c.public_id)
)


def documents_in_order(
    connection: Connection, principal: Principal, after: str, limit: int
) -> list[DocumentEntry]:
    """Those with a public id behind `after`, by public id, at most so many."""
    wanted = {**asker_parameters(principal), "after": after, "most": limit}
    return [
        DocumentEntry(id=row["public_id"], **{name: row[name] for name in _ENTRY})
        for row in connection.execute(_DOCUMENTS_IN_ORDER, wanted).mappings()
    ]
