"""A small typed filter. It narrows what a caller may read and can never widen it.

The statement finds the readable documents first and looks at nothing else afterwards:
`MATERIALIZED` keeps every planner from trying a condition on a document before the gate has let it
through. Nothing that a caller sends or a document holds is read as a number, a path or a pattern:
attributes are compared as they are, metadata by digests of key, kind and value, so no condition can
fail.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import starmap
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    String,
    and_,
    bindparam,
    func,
    or_,
    select,
)

from indexes import attributes
from indexes.catalog.access import READABLE_SETS
from indexes.catalog.prepared import Prepared
from indexes.catalog.schema import documents, sources
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


def find_matching_documents(
    connection: Connection, filters: Filters, asker: Mapping[str, Any]
) -> Sequence[tuple[int]]:
    """Ids of the documents that the asker may read and that the filter lets through."""
    return statement_of(filters).rows(connection, {**asker, **values_of(connection, filters)})


ListPosition = tuple[str, str]
"""Where a list of documents goes on: the first characters of a path, and a public id."""

_SORTED_BY = 200  # first characters of the path; documents that share them come by their ids


def find_page(
    connection: Connection,
    filters: Filters,
    asker: Mapping[str, Any],
    after: ListPosition | None,
    most: int,
) -> Sequence[tuple[int, str, str]]:
    """Id and position of the documents that the asker may read and that the filter lets through, in
    the order of their paths, from a position on.

    Nothing but these documents is looked at, so others move no page.
    """
    key, public_id = after or ("", "")
    values = {"after_key": key, "after_id": public_id, "most": most}
    statement = _page_statement(_conditions_named(filters), len(filters.metadata))
    return statement.rows(connection, {**asker, **values_of(connection, filters), **values})


def count_documents(
    connection: Connection, filters: Filters, asker: Mapping[str, Any]
) -> Sequence[tuple[str, str | None, int]]:
    """Collection, name of the source as readers see it (None if there is none) and number of the
    documents that the asker may read and that the filter lets through.
    """
    statement = _count_statement(_conditions_named(filters), len(filters.metadata))
    return statement.rows(connection, {**asker, **values_of(connection, filters)})


def statement_of(filters: Filters) -> Prepared:
    """The statement of every filter that asks for the same things, whatever their values."""
    return _statement(_conditions_named(filters), len(filters.metadata))


def _conditions_named(filters: Filters) -> tuple[str, ...]:
    given = {
        "collection": filters.collection is not None,
        "path_prefix": bool(filters.path_prefix),
        "media_types": bool(filters.media_types),
        "language": filters.language is not None,
        "modified_after": filters.modified_after is not None,
        "modified_before": filters.modified_before is not None,
    }
    return tuple(name for name, wanted in given.items() if wanted)


@lru_cache(maxsize=256)
def _statement(named: tuple[str, ...], metadata: int) -> Prepared:
    column, conditions = _readable_and_matching(named, metadata)
    return Prepared(select(column.id).where(*conditions))


@lru_cache(maxsize=256)
def _page_statement(named: tuple[str, ...], metadata: int) -> Prepared:
    column, conditions = _readable_and_matching(named, metadata)
    key = func.substr(column.path, 1, _SORTED_BY)
    after_key: BindParameter[str] = bindparam("after_key", type_=String)
    after_id: BindParameter[str] = bindparam("after_id", type_=String)
    later = or_(key > after_key, and_(key == after_key, column.public_id > after_id))
    found = select(column.id, key, column.public_id).where(*conditions, later)
    page = found.order_by(key, column.public_id).limit(bindparam("most", type_=Integer))
    return Prepared(page)


@lru_cache(maxsize=256)
def _count_statement(named: tuple[str, ...], metadata: int) -> Prepared:
    column, conditions = _readable_and_matching(named, metadata, "source_id")
    found = (
        select(column.collection, sources.c.shown, func.count())
        .outerjoin(sources, sources.c.id == column.source_id)
        .where(*conditions)
    )
    return Prepared(found.group_by(column.collection, sources.c.shown))


def _readable_and_matching(
    named: tuple[str, ...], metadata: int, *more: str
) -> tuple[Any, list[ColumnElement[bool]]]:
    """Columns of the documents that the asker may read, and the conditions on them."""
    columns = [documents.c[name] for name in (*_COMPARED, "public_id", *more)]
    let_in = documents.c.reader_set_id.in_(select(READABLE_SETS.c.reader_set_id))
    readable = (
        select(documents.c.id, *columns).where(let_in).cte("readable").prefix_with("MATERIALIZED")
    )
    column = readable.c
    first_chars = func.substr(column.path, 1, bindparam("prefix_chars", type_=Integer))
    conditions: dict[str, ColumnElement[bool]] = {
        "collection": column.collection == bindparam("collection"),
        "path_prefix": first_chars == bindparam("path_prefix"),
        "media_types": column.media_type.in_(bindparam("media_types", expanding=True)),
        "language": column.language == bindparam("language"),
        "modified_after": column.modified_at >= bindparam("modified_after"),
        "modified_before": column.modified_at < bindparam("modified_before"),
    }
    digests = [
        column.metadata_digests.contains(bindparam(f"metadata_{number}"))
        for number in range(metadata)
    ]
    return column, [*(conditions[name] for name in named), *digests]


def values_of(connection: Connection, filters: Filters) -> dict[str, Any]:
    """What the filter compares with, as the driver takes it, by the names in the statement."""
    as_sent = _moments_as_sent(connection)
    prefix = filters.path_prefix or ""
    values = {
        "collection": filters.collection,
        "path_prefix": prefix,
        "media_types": list(filters.media_types),
        "language": filters.language,
        "modified_after": as_sent(filters.modified_after),
        "modified_before": as_sent(filters.modified_before),
    }
    given = {name: values[name] for name in _conditions_named(filters)}
    if prefix:
        given["prefix_chars"] = len(prefix)
    digests = starmap(attributes.metadata_digest, filters.metadata.items())
    return given | {f"metadata_{number}": digest for number, digest in enumerate(digests)}


def _moments_as_sent(connection: Connection) -> Callable[[datetime | None], Any]:
    """How the driver takes a moment."""
    kind: Any = documents.c.modified_at.type
    processor = kind.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    return processor or (lambda moment: moment)
