"""One consistent state of the catalog, and the only places where text becomes readable."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    BindParameter,
    Connection,
    FromClause,
    RowMapping,
    ScalarSelect,
    bindparam,
    exists,
    func,
    literal_column,
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
    new_entries,
    readable_sets,
)
from indexes.catalog.checking import problems
from indexes.catalog.database import Prepared
from indexes.catalog.filters import Filters, matching
from indexes.catalog.generations import active_generation, stored_centroids
from indexes.catalog.schema import (
    changes,
    chunks,
    document_changes,
    document_texts,
    documents,
    generations,
    reader_sets,
    states,
    vectors,
)
from indexes.errors import NotFound
from indexes.model import DocumentView, Hit, IndexGeneration, PageMark, Principal, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

_ALL = 1 << 62
_MAX_ID_CHARS = 64
_BATCH = 500  # ids per statement: well under every database's limit on parameters

_HITS = (
    select(  # `_hit` reads them in this order
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


_ID_AND_SET = select(func.max(documents.c.public_id), func.max(documents.c.reader_set_id))
_SET_OF_DOCUMENT = Prepared(
    _ID_AND_SET.where(documents.c.public_id.between(_next_id(documents), _next_id(documents)))
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

_newest, _followed = states.alias("newest"), states.alias("followed")
_SETS_CHANGED_SINCE = Prepared(  # no row at all: this catalog never was in both states
    select(reader_sets.c.id, reader_sets.c.changed)
    .select_from(
        _newest.join(_followed, _followed.c.number == bindparam("followed")).outerjoin(
            reader_sets, reader_sets.c.changed > bindparam("since")
        )
    )
    .where(_newest.c.number == bindparam("newest"), _newest.c.token == bindparam("newest_token"))
    .where(_followed.c.token == bindparam("followed_token"))
)
_STATE = Prepared(
    select(states.c.number).where(
        states.c.number == bindparam("number"), states.c.token == bindparam("token")
    )
)
_CHANGED_SINCE = Prepared(
    select(document_changes.c.number, states.c.token, document_changes.c.document_id)
    .join(states, states.c.number == document_changes.c.number)
    .where(document_changes.c.number > bindparam("since"))
    .order_by(document_changes.c.number)
    .limit(bindparam("limit"))
)
_CHANGED_IN = Prepared(
    select(
        document_changes.c.reader_set_id, document_changes.c.number, document_changes.c.document_id
    ).where(
        document_changes.c.reader_set_id.in_(bindparam("among", expanding=True)),
        document_changes.c.number > bindparam("since"),
    )
)
_ROWS = select(chunks.c.document_id, chunks.c.row).order_by(chunks.c.document_id, chunks.c.ordinal)
_HEADS = select(documents.c.id, documents.c.reader_set_id, documents.c.token).order_by(
    documents.c.id
)
_ROWS_AMONG = Prepared(_ROWS.where(chunks.c.document_id.in_(bindparam("among", expanding=True))))
_HEADS_AMONG = Prepared(_HEADS.where(documents.c.id.in_(bindparam("among", expanding=True))))

# in words: SQLite prepares a statement anew at each call if a parameter may decide how it is
# carried out
_active = (
    select(generations.c.id)
    .where(generations.c.state == literal_column("'active'"))
    .scalar_subquery()
)
_rules = select(changes.c.number).where(changes.c.kind == "rules").scalar_subquery()
_NOW = Prepared(
    select(states.c.number, states.c.token, _active, _rules)
    .order_by(states.c.number.desc())
    .limit(literal_column("1"))
)
_NEWEST_SET = select(func.max(reader_sets.c.id))
_REBUILD_NUMBER = select(changes.c.number).where(changes.c.kind == "rebuild")


@dataclass(frozen=True, slots=True)
class Mark:
    """Names one state of one catalog: a copy that went another way has the numbers, but not the
    tokens.
    """

    number: int
    token: bytes


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a document stands in the derived indexes."""

    document_id: int
    reader_set: int
    token: bytes
    rows: "NDArray[np.int64]"  # in reading order, ascending


class ReadState:
    """What one reading transaction sees.

    Every method that returns text takes the principal that will read it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        ((number, token, generation_id, rules),) = _NOW.rows(connection, {})
        self.mark = Mark(number, bytes(token))
        self.generation_id: int | None = generation_id  # of the active generation
        # while it stays the same, no reader set has other entries than before
        self.rules_number: int = rules or 0

    # --- who may read what ----------------------------------------------------------------------

    def confirm(self, principal: Principal) -> None:
        """Raises NotAuthenticated where the key that the principal came with does not hold in this
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

    def identities(self, principal: Principal) -> frozenset[int]:
        """Ids of the principal and of all groups that it is in; none for nobody."""
        return identities(self._connection, principal)

    def newest_reader_set(self) -> int:
        """The highest id of a reader set; later ones have higher ids."""
        return self._connection.scalar(_NEWEST_SET) or 0

    def new_entries(self, since: int) -> Sequence[tuple[int, str, int]] | None:
        """(reader set, effect, identity) of reader sets above `since`; None: they are too many to
        look at each.
        """
        return new_entries(self._connection, since)

    def has(self, mark: Mark) -> bool:
        """Whether this catalog was in that state and still knows."""
        return bool(_STATE.rows(self._connection, {"number": mark.number, "token": mark.token}))

    # --- text, behind the second gate -----------------------------------------------------------

    def read(self, ranked: Sequence[tuple[Row, float]], principal: Principal) -> tuple[Hit, ...]:
        """The ranked chunks as hits, in the given order, without those that the principal may not
        read.
        """
        score = dict(ranked)
        found: dict[Row, Hit] = {}
        for batch in _batches(list(score)):
            for stored in _HITS_BY_ROW.rows(
                self._connection, {**asker_parameters(principal), "rows": batch}
            ):
                found[stored[0]] = _hit(stored, score[stored[0]])
        return tuple(found[row] for row, _ in ranked if row in found)

    def readable(self, rows: Iterable[Row], principal: Principal) -> frozenset[Row]:
        """Those of the rows that the principal may read, now."""
        return frozenset(
            Row(row)
            for batch in _batches(sorted(rows))
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
            return _hit(stored, 0.0)
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
        return _document(row)

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
        return list(self._connection.scalars(matching(filters), asker_parameters(principal)))

    # --- what the derived indexes are built from (no principal: nothing of this is ever returned to a caller) ---

    def generation(self) -> IndexGeneration | None:
        """The active generation, if there is one yet."""
        return active_generation(self._connection)

    def centroids(self, generation: IndexGeneration) -> "NDArray[np.int8] | None":
        """The centroids of a generation's topics, shape (topics, dimension), once they are learnt."""
        return stored_centroids(self._connection, generation)

    def rebuild_number(self) -> int:
        """Grows when somebody asks that every process build its derived indexes anew."""
        return self._connection.scalar(_REBUILD_NUMBER) or 0

    def problems(self, *, whole: bool) -> list[str]:
        """What does not hold in the catalog, in words for operators. whole: every text and vector
        is looked at.
        """
        generation = self.generation()
        return (
            [] if generation is None else list(problems(self._connection, generation, whole=whole))
        )

    def unembedded(self, generation: IndexGeneration, limit: int) -> list[tuple[int, bytes]]:
        """(document id, token) of documents without vectors in a generation, at most `limit`, by
        id.
        """
        has = exists().where(
            vectors.c.document_id == documents.c.id, vectors.c.generation_id == generation.id
        )
        wanted = (
            select(documents.c.id, documents.c.token)
            .where(~has)
            .order_by(documents.c.id)
            .limit(limit)
        )
        return [(row[0], row[1]) for row in self._connection.execute(wanted)]

    def document_count(self) -> int:
        """How many documents there are, for progress reports to operators."""
        return self._connection.scalar(select(func.count()).select_from(documents)) or 0

    def sets_changed_since(self, followed: Mark, newest: Mark) -> list[tuple[int, int]] | None:
        """(reader set, number of its newest change) for those changed after `followed`.

        None: this catalog was never in both states, or does not know any more. Costs the same for
        every principal.
        """
        given = {
            "followed": followed.number,
            "followed_token": followed.token,
            "since": followed.number,
        }
        given |= {"newest": newest.number, "newest_token": newest.token}
        rows = _SETS_CHANGED_SINCE.rows(self._connection, given)
        return (
            [(reader_set, number) for reader_set, number in rows if reader_set is not None]
            if rows
            else None
        )

    def changed_since(self, number: int, limit: int = _ALL) -> list[tuple[Mark, int]]:
        """(state, document id) of documents written or removed after that number, the oldest first."""
        rows = _CHANGED_SINCE.rows(self._connection, {"since": number, "limit": limit})
        return [(Mark(changed, bytes(token)), document_id) for changed, token, document_id in rows]

    def changed_in(self, reader_sets: Sequence[int], number: int) -> list[tuple[int, int, int]]:
        """(reader set, number, document id) of changes after that number that touched one of these
        reader sets.
        """
        found: list[tuple[int, int, int]] = []
        for batch in _batches(reader_sets):
            rows = _CHANGED_IN.rows(self._connection, {"among": list(batch), "since": number})
            found.extend(
                (reader_set, changed, document_id) for reader_set, changed, document_id in rows
            )
        return found

    def sets_in_use(self) -> list[int]:
        """The reader sets that have documents."""
        return list(self._connection.scalars(select(documents.c.reader_set_id).distinct()))

    def documents_in(self, reader_set: int) -> list[int]:
        """Ids of the documents of a reader set."""
        return list(
            self._connection.scalars(
                select(documents.c.id).where(documents.c.reader_set_id == reader_set)
            )
        )

    def heads(self) -> Iterator[tuple[int, int, bytes]]:
        """(document id, reader set, token) of every document: a token changes whenever what a
        reader sees changes.
        """
        yield from (tuple(head) for head in self._connection.execute(_HEADS))

    def placements(self, document_ids: Sequence[int] | None = None) -> Iterator[Placement]:
        """Where each document stands: its reader set, its token and its rows. None: all documents."""
        if document_ids is None:
            yield from _placed(self._connection.execute(_ROWS), self._connection.execute(_HEADS))
            return
        for batch in _batches(document_ids):
            among = {"among": list(batch)}
            yield from _placed(
                _ROWS_AMONG.rows(self._connection, among),
                _HEADS_AMONG.rows(self._connection, among),
            )

    def vectors(
        self,
        generation: IndexGeneration,
        document_ids: Sequence[int],
    ) -> "dict[int, NDArray[np.float32]]":
        """Unit vectors by document, shape (chunks, dimension), in the order of the chunks."""
        import numpy as np

        found: dict[int, NDArray[np.float32]] = {}
        for batch in _batches(document_ids):
            wanted = select(vectors.c.document_id, vectors.c.vectors).where(
                vectors.c.generation_id == generation.id, vectors.c.document_id.in_(batch)
            )
            for document_id, blob in self._connection.execute(wanted):
                found[document_id] = np.frombuffer(blob, "<f4").reshape(-1, generation.dimension)
        return found

    def embedded_texts(self, document_ids: Sequence[int]) -> dict[int, list[str]]:
        """What the embedder and the keyword index see of each chunk, by document, in the order of
        the chunks.
        """
        found: dict[int, list[str]] = {}
        for batch in _batches(document_ids):
            wanted = (
                select(chunks.c.document_id, chunks.c.embedded)
                .where(chunks.c.document_id.in_(batch))
                .order_by(chunks.c.document_id, chunks.c.ordinal)
            )
            for document_id, embedded in self._connection.execute(wanted):
                found.setdefault(document_id, []).append(embedded)
        return found


def _hit(stored: Sequence[Any], score: float) -> Hit:
    (
        row,
        public_id,
        document_id,
        title,
        path,
        media_type,
        collection,
        language,
        *of_chunk,
        page_kind,
    ) = stored
    ordinal, text, start, end, section, pages = of_chunk
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
        section=tuple(_decoded(section)),
        pages=_marks(_decoded(pages)),
        page_kind=page_kind,
        score=score,
    )


def _document(row: RowMapping) -> DocumentView:
    return DocumentView(
        id=row["public_id"],
        title=row["title"],
        path=row["path"],
        media_type=row["media_type"],
        collection=row["collection"],
        language=row["language"],
        text=row["text"],
        page_kind=row["page_kind"],
        pages=_marks(row["pages"]),
        modified_at=row["modified_at"],
        metadata=row["metadata"],
    )


def _decoded(stored: Any) -> Any:
    """JSON as the driver gave it: some read it themselves."""
    if not isinstance(stored, str):
        return stored
    return json.loads(stored) if stored != "[]" else ()


def _marks(stored: Sequence[Sequence[Any]]) -> tuple[PageMark, ...]:
    return tuple(PageMark(*mark) for mark in stored)


def _batches(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(ids), _BATCH):
        yield ids[start : start + _BATCH]


def _placed(rows: Iterable[Any], heads: Iterable[Any]) -> Iterator[Placement]:
    """rows: document and row, in reading order. heads: document, reader set and token."""
    import numpy as np

    by_document: dict[int, list[int]] = {}
    for document_id, row in rows:
        by_document.setdefault(document_id, []).append(row)
    for document_id, reader_set, token in heads:
        yield Placement(
            document_id,
            reader_set,
            bytes(token),
            np.array(by_document.get(document_id, []), np.int64),
        )
