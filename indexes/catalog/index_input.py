"""What the derived indexes are built from and follow, in one state of the catalog.

It takes no principal, so nothing of it is ever returned to a caller.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    select,
)

from indexes.catalog.checking import find_problems
from indexes.catalog.database import in_batches
from indexes.catalog.generations import active_generation, stored_centroids
from indexes.catalog.prepared import Prepared
from indexes.catalog.schema import (
    changes,
    chunks,
    document_changes,
    documents,
    generations,
    reader_sets,
    states,
    vectors,
)
from indexes.model import IndexGeneration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ALL = 1 << 62

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
_ROW_COUNTS = (
    select(
        chunks.c.document_id,
        func.count(),
        func.min(chunks.c.row),
        func.max(chunks.c.row),
        func.sum(chunks.c.row),
    )
    .group_by(chunks.c.document_id)
    .order_by(chunks.c.document_id)
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
_WORDS = case((chunks.c.words == "", chunks.c.embedded), else_=chunks.c.words)
_of_these = chunks.c.document_id.in_(bindparam("among", expanding=True))
_EMBEDDED_AMONG = Prepared(
    select(chunks.c.document_id, chunks.c.embedded)
    .where(_of_these)
    .order_by(chunks.c.document_id, chunks.c.ordinal)
)
_WORDS_AMONG = Prepared(
    select(chunks.c.document_id, _WORDS)
    .where(_of_these)
    .order_by(chunks.c.document_id, chunks.c.ordinal)
)
_VECTORS_AMONG = Prepared(
    select(vectors.c.document_id, vectors.c.vectors).where(
        vectors.c.generation_id == bindparam("generation"),
        vectors.c.document_id.in_(bindparam("among", expanding=True)),
    )
)
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


class IndexInput:
    """What one reading transaction sees of all that indexes are made of."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        ((number, token, generation_id, rules),) = _NOW.rows(connection, {})
        self.mark = Mark(number, bytes(token))
        self.generation_id: int | None = generation_id  # of the active generation
        # while it stays the same, no reader set has other entries than before
        self.rules_number: int = rules or 0

    def has(self, mark: Mark) -> bool:
        """Whether this catalog was in that state and still knows."""
        return bool(_STATE.rows(self._connection, {"number": mark.number, "token": mark.token}))

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
            []
            if generation is None
            else list(find_problems(self._connection, generation, whole=whole))
        )

    def documents_without_vectors(
        self, generation: IndexGeneration, limit: int, after: int = 0
    ) -> list[tuple[int, bytes]]:
        """(document id, token) of documents without vectors in a generation, at most `limit`, by
        id. after: only higher ids, so that a walk over all does not begin anew each time.
        """
        has = exists().where(
            vectors.c.document_id == documents.c.id, vectors.c.generation_id == generation.id
        )
        wanted = (
            select(documents.c.id, documents.c.token)
            .where(~has, documents.c.id > after)
            .order_by(documents.c.id)
            .limit(limit)
        )
        return [(row[0], row[1]) for row in self._connection.execute(wanted)]

    def count_documents_without_vectors(self, generation: IndexGeneration) -> int:
        """How many documents have no vectors in a generation, for operators."""
        has = exists().where(
            vectors.c.document_id == documents.c.id, vectors.c.generation_id == generation.id
        )
        return self._connection.scalar(select(func.count()).select_from(documents).where(~has)) or 0

    def document_count(self) -> int:
        """How many documents there are, for progress reports to operators."""
        return self._connection.scalar(select(func.count()).select_from(documents)) or 0

    def sets_changed_since(self, followed: Mark, newest: Mark) -> list[tuple[int, int]] | None:
        """(reader set, number of its newest change) for those changed after `followed`.

        If None, this catalog was never in both states, or does not know any more. It costs the same
        for every principal.
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
        for batch in in_batches(reader_sets):
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

    def row_counts(self) -> list[tuple[int, int, int, int, int]]:
        """(document id, how many rows, the lowest, the highest, their sum) of every document with
        rows, by document id.
        """
        return [
            (document_id, count, lowest, highest, int(total))
            for document_id, count, lowest, highest, total in self._connection.execute(_ROW_COUNTS)
        ]

    def placements(self, document_ids: Sequence[int] | None = None) -> Iterator[Placement]:
        """Where each of these documents stands: its reader set, its token and its rows.

        If None, all documents are meant.
        """
        if document_ids is None:
            yield from _make_placements(
                self._connection.execute(_ROWS), self._connection.execute(_HEADS)
            )
            return
        for batch in in_batches(document_ids):
            among = {"among": list(batch)}
            yield from _make_placements(
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
        for batch in in_batches(document_ids):
            wanted = {"generation": generation.id, "among": list(batch)}
            for document_id, blob in _VECTORS_AMONG.rows(self._connection, wanted):
                found[document_id] = np.frombuffer(blob, "<f4").reshape(-1, generation.dimension)
        return found

    def embedded_texts(self, document_ids: Sequence[int]) -> dict[int, list[str]]:
        """What the embedder sees of each chunk, by document, in the order of the chunks."""
        return self._texts(document_ids, _EMBEDDED_AMONG)

    def keyword_texts(self, document_ids: Sequence[int]) -> dict[int, list[str]]:
        """What the keyword index sees of each chunk, by document, in the order of the chunks."""
        return self._texts(document_ids, _WORDS_AMONG)

    def _texts(self, document_ids: Sequence[int], texts_among: Prepared) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for batch in in_batches(document_ids):
            rows = texts_among.rows(self._connection, {"among": list(batch)})
            for document_id, text in rows:
                found.setdefault(document_id, []).append(text)
        return found


def _make_placements(rows: Iterable[Any], heads: Iterable[Any]) -> Iterator[Placement]:
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
