"""A small typed filter. It narrows what a caller may read and can never widen it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, func

from indexes.catalog.schema import documents
from indexes.errors import BadFilter
from indexes.model import Scalar

_MAX_METADATA_KEYS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Conditions on documents; all of them must hold. An empty filter lets everything through."""

    collection: str | None = None
    path_prefix: str | None = None
    media_types: tuple[str, ...] = ()
    language: str | None = None
    modified_after: datetime | None = None  # inclusive
    modified_before: datetime | None = None  # exclusive
    metadata: Mapping[str, Scalar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.metadata) > _MAX_METADATA_KEYS:
            raise BadFilter(f"It names {len(self.metadata)} metadata keys; at most {_MAX_METADATA_KEYS} are accepted.")
        for moment in (self.modified_after, self.modified_before):
            if moment is not None and moment.tzinfo is None:
                raise BadFilter("A date has no time zone.", remedy="Write it like 2026-01-31T00:00:00Z.")
        if self.modified_after and self.modified_before and self.modified_after >= self.modified_before:
            raise BadFilter("modified_after is not before modified_before, so nothing could ever match.")

    @property
    def empty(self) -> bool:
        return self == Filters()


def matching(filters: Filters) -> list[ColumnElement[bool]]:
    """The filter as SQL conditions on `documents`, with every value bound."""
    column = documents.c
    conditions: list[ColumnElement[bool]] = []
    if filters.collection is not None:
        conditions.append(column.collection == filters.collection)
    if filters.path_prefix:
        conditions.append(func.substr(column.path, 1, len(filters.path_prefix)) == filters.path_prefix)
    if filters.media_types:
        conditions.append(column.media_type.in_(filters.media_types))
    if filters.language is not None:
        conditions.append(column.language == filters.language)
    if filters.modified_after is not None:
        conditions.append(column.modified_at >= filters.modified_after)
    if filters.modified_before is not None:
        conditions.append(column.modified_at < filters.modified_before)
    for key, value in filters.metadata.items():
        conditions.append(_metadata_equals(key, value))
    return conditions


def _metadata_equals(key: str, value: Scalar) -> ColumnElement[bool]:
    entry = documents.c.metadata[key]
    condition: ColumnElement[bool]
    if isinstance(value, bool):
        condition = entry.as_boolean() == value
    elif isinstance(value, int):
        condition = entry.as_integer() == value
    elif isinstance(value, float):
        condition = entry.as_float() == value
    else:
        condition = entry.as_string() == value
    return condition
