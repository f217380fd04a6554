"""How many rules in force name somebody: of documents, templates, models and sources."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from indexes.catalog.schema import (
    documents,
    memberships,
    models,
    reader_set_entries,
    sources,
    templates,
)

_entry = reader_set_entries.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentions:
    """Rules in force that name somebody."""

    documents: int = 0
    templates: int = 0
    models: int = 0
    sources: int = 0  # whose rule says who may write

    def __bool__(self) -> bool:
        return bool(self.documents or self.templates or self.models or self.sources)

    def __str__(self) -> str:
        """`2 documents and 1 template`, for people."""
        counts = {"document": self.documents, "template": self.templates, "model": self.models}
        counts["source"] = self.sources
        parts = [
            f"{count} {what}{'s' if count != 1 else ''}" for what, count in counts.items() if count
        ]
        return (
            " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
            if parts
            else "no documents"
        )


def mentions(connection: Connection, ids: Collection[int], effect: str | None = None) -> Mentions:
    """Rules that name one of these. effect: count only rules that allow it, or deny it."""
    sets = select(_entry.reader_set_id).where(_entry.principal_id.in_(sorted(ids)))
    if effect is not None:
        sets = sets.where(_entry.effect == effect)
    counts = {
        table.name: connection.scalar(
            select(func.count()).select_from(table).where(table.c.reader_set_id.in_(sets))
        )
        for table in (documents, templates, models)
    }
    counts["sources"] = connection.scalar(
        select(func.count()).select_from(sources).where(sources.c.writer_set_id.in_(sets))
    )
    return Mentions(**{name: count or 0 for name, count in counts.items()})


def with_groups_above(connection: Connection, principal_id: int) -> set[int]:
    """The id with those of every group it is in, through other groups, too."""
    start = (
        select(memberships.c.group_id)
        .where(memberships.c.member_id == principal_id)
        .cte("above", recursive=True)
    )
    above = start.union(
        select(memberships.c.group_id).join(start, memberships.c.member_id == start.c.group_id)
    )
    return {principal_id, *connection.scalars(select(above.c.group_id))}
