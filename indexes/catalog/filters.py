"""A small typed filter. It narrows what a caller may read and can never widen it.

The statement finds the readable documents first and looks at nothing else afterwards:
`MATERIALIZED` keeps every planner from trying a condition on a document before the gate has let it
through. Nothing that a caller sends or a document holds is read as a number, a path or a pattern:
attributes are compared as they are, metadata by digests of key, kind and value, so no condition can
fail.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from indexes import attributes
from indexes.catalog.access import READABLE_SETS
from indexes.catalog.schema import documents
from indexes.errors import BadFilter
from indexes.model import Scalar

_MAX_METADATA_KEYS = 20
_MAX_MEDIA_TYPES = 50
_COMPARED = ("collection", "path", "media_type", "language", "modified_at", "metadata_digests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Conditions on documents; all of them must hold. An empty filter lets everything through.

    Raises BadFilter.
    """

    collection: str | None = None
    path_prefix: str | None = None
    media_types: tuple[str, ...] = ()
    language: str | None = None
    modified_after: datetime | None = None  # inclusive
    modified_before: datetime | None = None  # exclusive
    metadata: Mapping[str, Scalar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.media_types) > _MAX_MEDIA_TYPES:
            raise BadFilter(
                f"It names {len(self.media_types)} media types; at most {_MAX_MEDIA_TYPES} are accepted."
            )
        texts = [
            ("collection", self.collection, attributes.MAX_NAME_CHARS),
            ("path_prefix", self.path_prefix or None, attributes.MAX_PATH_CHARS),
            ("language", self.language, attributes.MAX_LANGUAGE_CHARS),
            *(
                ("a media type", media_type, attributes.MAX_NAME_CHARS)
                for media_type in self.media_types
            ),
        ]
        for name, text, most in texts:
            if text is not None and (wrong := attributes.text_problem(text, most)):
                raise BadFilter(f"{name} {wrong}.")
        if wrong := attributes.metadata_problem(self.metadata, _MAX_METADATA_KEYS):
            raise BadFilter(f"metadata {wrong}.")
        self._check_moments()

    def _check_moments(self) -> None:
        for moment in (self.modified_after, self.modified_before):
            if moment is not None and (wrong := attributes.moment_problem(moment)):
                raise BadFilter(f"A date {wrong}.", remedy="Write it like 2026-01-31T00:00:00Z.")
        if (
            self.modified_after
            and self.modified_before
            and self.modified_after >= self.modified_before
        ):
            raise BadFilter(
                "modified_after is not before modified_before, so nothing could ever match."
            )

    @property
    def empty(self) -> bool:
        return self == Filters()


def select_matching(filters: Filters) -> Select[tuple[int]]:
    """Ids of the documents that the asker may read and that the filter lets through."""
    columns = [documents.c[name] for name in _COMPARED]
    let_in = documents.c.reader_set_id.in_(select(READABLE_SETS.c.reader_set_id))
    readable = (
        select(documents.c.id, *columns).where(let_in).cte("readable").prefix_with("MATERIALIZED")
    )
    return select(readable.c.id).where(*_conditions(filters, readable.c))


def _conditions(filters: Filters, column: Any) -> list[ColumnElement[bool]]:
    """The filter as conditions on columns of readable documents, with every value bound."""
    conditions: list[ColumnElement[bool]] = []
    if filters.collection is not None:
        conditions.append(column.collection == filters.collection)
    if filters.path_prefix:
        conditions.append(
            func.substr(column.path, 1, len(filters.path_prefix)) == filters.path_prefix
        )
    if filters.media_types:
        conditions.append(column.media_type.in_(filters.media_types))
    if filters.language is not None:
        conditions.append(column.language == filters.language)
    if filters.modified_after is not None:
        conditions.append(column.modified_at >= filters.modified_after)
    if filters.modified_before is not None:
        conditions.append(column.modified_at < filters.modified_before)
    for key, value in filters.metadata.items():
        conditions.append(column.metadata_digests.contains(attributes.metadata_digest(key, value)))
    return conditions
