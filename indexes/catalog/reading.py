"""One consistent state of the catalog, and the only places where text becomes readable."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    BindParameter,
    FromClause,
    RowMapping,
    ScalarSelect,
    bindparam,
    func,
    select,
)

from indexes.attributes import text_problem
from indexes.catalog.access import (
    NO_SET,
    Asker,
    asker,
    asker_parameters,
    confirm,
    identities,
    may_read,
    may_read_set,
    readable_sets,
)
from indexes.catalog.database import in_batches
from indexes.catalog.filters import (
    Filters,
    ListPosition,
    count_documents,
    find_matching_documents,
    find_page,
)
from indexes.catalog.index_input import IndexInput
from indexes.catalog.prepared import Prepared, decode_json
from indexes.catalog.reader_sets import new_entries
from indexes.catalog.revisions import passages_of
from indexes.catalog.schema import (
    chunks,
    document_texts,
    documents,
    kept_revisions,
    reader_sets,
)
from indexes.errors import NotFound
from indexes.model import (
    DocumentEntry,
    DocumentView,
    Hit,
    Identities,
    OriginalView,
    PageMark,
    Principal,
    Row,
    SectionMark,
    TableMark,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

_ALL = 1 << 62
_MAX_ID_CHARS = 64

_HITS = (
    select(  # `_hit_of` reads them in this order
        chunks.c.row,
        chunks.c.public_id,
        documents.c.public_id.label("document_public_id"),
        documents.c.title,
        documents.c.path,
        documents.c.media_type,
        documents.c.collection,
        documents.c.language,
        chunks.c.ordinal,
        chunks.c.text,
        chunks.c.start,
        chunks.c.end,
        chunks.c.section,
        chunks.c.pages,
        chunks.c.header,
        chunks.c.headings,
        chunks.c.tables,
        documents.c.page_kind,
    )
    .join(documents, documents.c.id == chunks.c.document_id)
    .where(may_read(documents.c.reader_set_id))
)
"""Turns rows into text, and joins the readers: it cannot return what is forbidden."""

_HITS_BY_ROW = Prepared(_HITS.where(chunks.c.row.in_(bindparam("rows", expanding=True))))
_HIT_BY_ID = Prepared(_HITS.where(chunks.c.public_id == bindparam("public_id")))
_READABLE_AMONG = Prepared(
    select(chunks.c.row)
    .join(documents, documents.c.id == chunks.c.document_id)
    .where(may_read(documents.c.reader_set_id), chunks.c.row.in_(bindparam("rows", expanding=True)))
)
_ID: BindParameter[str] = bindparam("public_id")


def _next_id(table: FromClause) -> ScalarSelect[str]:
    following = table.alias("following")
    return (
        select(func.min(following.c.public_id))
        .where(following.c.public_id >= _ID)
        .scalar_subquery()
    )


ID_OR_NEXT = _next_id(documents)
_ID_AND_SET = select(func.max(documents.c.public_id), func.max(documents.c.reader_set_id))
_SET_OF_DOCUMENT = Prepared(
    _ID_AND_SET.where(documents.c.public_id.between(ID_OR_NEXT, ID_OR_NEXT))
)
_SET_OF_PASSAGE = Prepared(
    select(func.max(chunks.c.public_id), func.max(documents.c.reader_set_id))
    .join(documents, documents.c.id == chunks.c.document_id)
    .where(chunks.c.public_id == _next_id(chunks))
)
"""An id that is there and the readers that belong to it: always one row, and as much work whether
it is the id that was asked for or not, since the next id in order stands in for one that is
absent, and is then passed over. Of documents an index knows both: a range, because for an
equation SQLite takes another index and then reads the row.
"""

_DOCUMENT_BY_ID = (
    select(documents, document_texts.c.text)
    .join(document_texts, document_texts.c.document_id == documents.c.id)
    .where(documents.c.public_id == bindparam("public_id"), may_read(documents.c.reader_set_id))
)

_ORIGINAL_BY_ID = select(
    documents.c.public_id,
    documents.c.path,
    documents.c.media_type,
    documents.c.original_sha256,
).where(
    documents.c.public_id == bindparam("public_id"),
    documents.c.original_sha256.is_not(None),
    may_read(documents.c.reader_set_id),
)

_CURRENT = _HITS.where(chunks.c.public_id.in_(bindparam("passages", expanding=True)))
_PASSAGES_BY_ID = Prepared(_CURRENT)
_KEPT = (
    select(kept_revisions)
    .outerjoin(documents, documents.c.public_id == kept_revisions.c.document_public_id)
    .where(kept_revisions.c.document_public_id == bindparam("public_id"))
    .order_by(kept_revisions.c.id.desc())
)
_KEPT_OF_DOCUMENT = _KEPT.where(
    may_read(kept_revisions.c.reader_set_id), may_read(documents.c.reader_set_id)
)
_KEPT_OF_ANY = _KEPT.where(
    may_read(kept_revisions.c.reader_set_id),
    may_read(func.coalesce(documents.c.reader_set_id, kept_revisions.c.reader_set_id)),
)
"""Earlier revisions, behind the readers that they had at last and those that the document has now:
a new text may be for more people than the old one was, and for fewer.
"""

_LISTED = select(
    documents.c.id,
    documents.c.public_id,
    documents.c.title,
    documents.c.path,
    documents.c.media_type,
    documents.c.collection,
    documents.c.language,
    documents.c.modified_at,
    documents.c.metadata,
    documents.c.original_sha256,
).where(may_read(documents.c.reader_set_id), documents.c.id.in_(bindparam("ids", expanding=True)))

_NEWEST_SET = select(func.max(reader_sets.c.id))


class ReadState(IndexInput):
    """What one reading transaction sees.

    Every method that returns text takes the principal that will read it.
    """

    # --- who may read what ----------------------------------------------------------------------

    def confirm(self, principal: Principal) -> None:
        """Raises NotAuthenticated if the key that the principal came with does not hold in this
        state.
        """
        confirm(self._connection, principal)

    def reader_sets(self, principal: Principal) -> "NDArray[np.int64]":
        """The reader sets this principal may read, ascending."""
        import numpy as np

        return np.array(readable_sets(self._connection, principal), dtype=np.int64)

    def asker(self, principal: Principal) -> Asker:
        """While it is the same, the principal has the same identities.

        Raises NotAuthenticated like `confirm`.
        """
        return asker(self._connection, principal)

    def identities(self, principal: Principal) -> Identities:
        """The principal and all groups that it is in, and those that it may be in."""
        return identities(self._connection, principal)

    def newest_reader_set(self) -> int:
        """The highest id of a reader set; later ones have higher ids."""
        return self._connection.scalar(_NEWEST_SET) or 0

    def new_entries(self, since: int) -> Sequence[tuple[int, str, int]] | None:
        """(reader set, effect, identity) of reader sets above `since`. If None, there are too many
        to look at each.
        """
        return new_entries(self._connection, since)

    # --- text, behind the second gate -----------------------------------------------------------

    def read(self, ranked: Sequence[tuple[Row, float]], principal: Principal) -> tuple[Hit, ...]:
        """The ranked chunks as hits, in the given order, without those that the principal may not
        read.
        """
        score = dict(ranked)
        found: dict[Row, Hit] = {}
        for batch in in_batches(list(score)):
            for stored in _HITS_BY_ROW.rows(
                self._connection, {**asker_parameters(principal), "rows": batch}
            ):
                found[stored[0]] = _hit_of(stored, score[stored[0]])
        return tuple(found[row] for row, _ in ranked if row in found)

    def readable(self, rows: Iterable[Row], principal: Principal) -> frozenset[Row]:
        """Those of the rows that the principal may read, now."""
        return frozenset(
            Row(row)
            for batch in in_batches(sorted(rows))
            for (row,) in _READABLE_AMONG.rows(
                self._connection, {**asker_parameters(principal), "rows": list(batch)}
            )
        )

    def passage(self, passage_id: str, principal: Principal) -> Hit:
        """The chunk by its public id.

        Raises NotFound, whether it is absent or forbidden, and NotAuthenticated.
        """
        self.confirm(principal)
        self._check_readable(_SET_OF_PASSAGE, passage_id, principal)
        wanted = {**asker_parameters(principal), "public_id": passage_id}
        for stored in _HIT_BY_ID.rows(self._connection, wanted):
            return _hit_of(stored, 0.0)
        raise NotFound()

    def document(self, document_id: str, principal: Principal) -> DocumentView:
        """The whole document by its public id.

        Raises NotFound, absent or forbidden, and NotAuthenticated.
        """
        self.confirm(principal)
        self._check_readable(_SET_OF_DOCUMENT, document_id, principal)
        wanted = {**asker_parameters(principal), "public_id": document_id}
        row = self._connection.execute(_DOCUMENT_BY_ID, wanted).mappings().first()
        if row is None:
            raise NotFound()
        return _document_of(row)

    def original(self, document_id: str, principal: Principal) -> OriginalView:
        """The file that the document was made from, by the document's public id.

        Raises NotFound, absent, forbidden or not kept, and NotAuthenticated.
        """
        self.confirm(principal)
        self._check_readable(_SET_OF_DOCUMENT, document_id, principal)
        wanted = {**asker_parameters(principal), "public_id": document_id}
        row = self._connection.execute(_ORIGINAL_BY_ID, wanted).first()
        if row is None:
            raise NotFound()
        return OriginalView(
            document_id=row.public_id,
            path=row.path,
            media_type=row.media_type,
            sha256=row.original_sha256,
        )

    def recorded(
        self,
        document_id: str,
        passage_ids: Sequence[str],
        principal: Principal,
        *,
        removed_too: bool = False,
    ) -> dict[str, Hit]:
        """Passages of a document as they were when they had these ids, as far as the principal may
        read the document now, and might read them to their end; what was erased is not there.

        removed_too: also of a document that is gone, if the principal could read it at last.
        """
        asked = {**asker_parameters(principal), "public_id": document_id}
        found = {
            hit.id: hit
            for stored in _PASSAGES_BY_ID.rows(
                self._connection, {**asked, "passages": list(passage_ids)}
            )
            if (hit := _hit_of(stored, 0.0)).document_id == document_id
        }
        if len(found) == len(set(passage_ids)):
            return found
        kept = self._connection.execute(_KEPT_OF_ANY if removed_too else _KEPT_OF_DOCUMENT, asked)
        for revision in kept.mappings():
            for passage in passages_of(revision["passages"]):
                if passage["public_id"] in passage_ids:
                    found.setdefault(passage["public_id"], _kept_hit(revision, passage))
        return found

    def may_read_document(self, document_id: str, principal: Principal) -> bool:
        """Whether it is there, and this principal may read it."""
        try:
            self._check_readable(_SET_OF_DOCUMENT, document_id, principal)
        except NotFound:
            return False
        return True

    def list_documents(
        self, filters: Filters, principal: Principal, after: ListPosition | None, most: int
    ) -> tuple[list[DocumentEntry], ListPosition | None]:
        """Documents that the principal may read, by path, and where the list goes on, if it does.

        Raises NotAuthenticated.
        """
        self.confirm(principal)
        asker = asker_parameters(principal)
        found = find_page(self._connection, filters, asker, after, most + 1)
        page = found[:most]
        wanted = {**asker, "ids": [row_id for row_id, _, _ in page]}
        rows = {row["id"]: row for row in self._connection.execute(_LISTED, wanted).mappings()}
        entries = [_entry_of(rows[row_id]) for row_id, _, _ in page if row_id in rows]
        return entries, (page[-1][1], page[-1][2]) if len(found) > most else None

    def count_documents(
        self, filters: Filters, principal: Principal
    ) -> Sequence[tuple[str, str | None, int]]:
        """Collection, source and number of the documents that the principal may read.

        Raises NotAuthenticated.
        """
        self.confirm(principal)
        return count_documents(self._connection, filters, asker_parameters(principal))

    def _check_readable(self, set_of: Prepared, public_id: str, principal: Principal) -> None:
        """Raises NotFound before anything else is read, in the same two steps for what is hidden
        and what is absent.
        """
        if text_problem(public_id, _MAX_ID_CHARS):
            raise NotFound()
        ((found, reader_set),) = set_of.rows(self._connection, {"public_id": public_id})
        if not may_read_set(
            self._connection, principal, reader_set if found == public_id else NO_SET
        ):
            raise NotFound()

    def matching(self, filters: Filters, principal: Principal) -> list[int]:
        """Ids of the documents that the filter lets through, among those the principal may read."""
        found = find_matching_documents(self._connection, filters, asker_parameters(principal))
        return [document_id for (document_id,) in found]


def _hit_of(stored: Sequence[Any], score: float) -> Hit:
    (
        row,
        public_id,
        document_id,
        title,
        path,
        media_type,
        collection,
        language,
        ordinal,
        text,
        start,
        end,
        section,
        pages,
        header,
        headings,
        tables,
        page_kind,
    ) = stored
    return Hit(
        row=Row(row),
        id=public_id,
        document_id=document_id,
        title=title,
        path=path,
        media_type=media_type,
        collection=collection,
        language=language,
        ordinal=ordinal,
        text=text,
        start=start,
        end=end,
        section=tuple(decode_json(section)),
        pages=_page_marks(decode_json(pages)),
        page_kind=page_kind,
        score=score,
        header=header,
        headings=tuple(
            [SectionMark(start, tuple(section)) for start, section in decode_json(headings)]
        ),
        tables=tuple([TableMark(*mark) for mark in decode_json(tables)]),
    )


def _kept_hit(revision: RowMapping, passage: Mapping[str, Any]) -> Hit:
    head = revision["head"]
    return _hit_of(
        (
            0,  # no row: it is in no index
            passage["public_id"],
            revision["document_public_id"],
            *(head[name] for name in ("title", "path", "media_type", "collection", "language")),
            *(passage[name] for name in ("ordinal", "text", "start", "end", "section", "pages")),
            *(passage[name] for name in ("header", "headings", "tables")),
            head["page_kind"],
        ),
        0.0,
    )


def _document_of(row: RowMapping) -> DocumentView:
    return DocumentView(
        id=row["public_id"],
        title=row["title"],
        path=row["path"],
        media_type=row["media_type"],
        collection=row["collection"],
        language=row["language"],
        text=row["text"],
        page_kind=row["page_kind"],
        pages=_page_marks(row["pages"]),
        modified_at=row["modified_at"],
        metadata=row["metadata"],
        original=row["original_sha256"],
    )


def _entry_of(row: RowMapping) -> DocumentEntry:
    names = ("title", "path", "media_type", "collection", "language", "modified_at", "metadata")
    told = {name: row[name] for name in names}
    return DocumentEntry(id=row["public_id"], original=row["original_sha256"], **told)


def _page_marks(stored: Sequence[Sequence[Any]]) -> tuple[PageMark, ...]:
    return tuple([PageMark(*mark) for mark in stored])
