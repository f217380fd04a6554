"""What documents said before they were changed or removed, kept so that answers can be shown again."""

import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from indexes.catalog.schema import chunks, documents, kept_revisions

_LEVEL = 6  # of compression; text takes about a third
_HEAD = ("title", "path", "media_type", "collection", "language", "page_kind")
_PASSAGE = (  # in the order of `Hit` as `reading` makes one
    "public_id",
    "ordinal",
    "text",
    "start",
    "end",
    "section",
    "pages",
    "header",
    "headings",
    "tables",
)


def keep_revision(connection: Connection, document_id: int) -> None:
    """Keeps what the document says now, before it says something else or is gone."""
    of_it = select(documents).where(documents.c.id == document_id)
    document = connection.execute(of_it).mappings().one()
    wanted = select(*(chunks.c[name] for name in _PASSAGE))
    rows = connection.execute(
        wanted.where(chunks.c.document_id == document_id).order_by(chunks.c.ordinal)
    ).all()
    if not rows:
        return
    values = {
        "document_public_id": document["public_id"],
        "head": {name: document[name] for name in _HEAD},
        "passages": _packed([list(row) for row in rows]),
        "reader_set_id": document["reader_set_id"],
        "ended_at": datetime.now(UTC),
        "erased": 0,
    }
    connection.execute(insert(kept_revisions).values(values))


def passages_of(packed: bytes) -> list[dict[str, Any]]:
    """The passages of a kept revision."""
    read = json.loads(zlib.decompress(packed))
    return [dict(zip(_PASSAGE, row, strict=True)) for row in read]


def erase_revisions(connection: Connection, public_ids: Sequence[str]) -> None:
    """Nothing of what these documents ever said is kept; that it was erased stays known."""
    connection.execute(
        update(kept_revisions)
        .where(kept_revisions.c.document_public_id.in_(public_ids))
        .values(passages=_packed([]), head={}, erased=1)
    )


def has_revisions(connection: Connection, public_id: str) -> bool:
    """Whether anything is kept of what this document said."""
    wanted = select(kept_revisions.c.id).where(
        kept_revisions.c.document_public_id == public_id, kept_revisions.c.erased == 0
    )
    return connection.scalar(wanted.limit(1)) is not None


def prune_revisions(connection: Connection, before: datetime) -> int:
    """Removes what ended before this time. Returns how many revisions."""
    old = delete(kept_revisions).where(kept_revisions.c.ended_at < before)
    return connection.execute(old).rowcount


def _packed(rows: list[Any]) -> bytes:
    return zlib.compress(json.dumps(rows).encode(), _LEVEL)
