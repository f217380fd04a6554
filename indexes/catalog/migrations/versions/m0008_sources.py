"""Documents are known by a source and a path inside it.

A document's path begins with the name of the folder that was ingested. So its uri less that path is
the folder, and the outermost of these folders become sources. Files that were ingested one by one
belong to the loose files of their folder. Ids, paths and readers stay as they are.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from urllib.parse import unquote

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

Root = tuple[str, bool]
"""The percent-encoded path of a folder without its last slash, and whether it only holds loose
files.
"""


def upgrade() -> None:
    op.create_table(
        "sources",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("loose", sa.Integer(), nullable=False),
        sa.Column("named", sa.Integer(), nullable=False),
        sa.Column("reader_set_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["reader_set_id"], ["reader_sets.id"], name=op.f("fk_sources_reader_set_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint("name", name=op.f("uq_sources_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "ingest_failures",
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("source_id", ID),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text()),
        sa.Column("failed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("uri", name=op.f("pk_ingest_failures")),
    )
    op.create_index("ix_ingest_failures_source_id", "ingest_failures", ["source_id"])
    op.add_column("documents", sa.Column("source_id", ID))
    op.create_index("ix_documents_source_id", "documents", ["source_id"])
    _give_sources(op.get_bind())


def _give_sources(connection: sa.Connection) -> None:
    rows = connection.execute(
        sa.text("SELECT id, uri, path FROM documents WHERE uri LIKE 'file:///%'")
    ).all()
    roots = {row.id: root for row in rows if (root := _root(row.uri, row.path))}
    if not roots:
        return
    outer = _outermost(set(roots.values()))
    ids = _made(connection, sorted(set(outer.values())))
    values = []
    for row in rows:
        if row.id in roots:
            base = outer[roots[row.id]]
            below = row.uri.removeprefix("file://")[len(base[0]) + 1 :]
            values.append(
                {"id": row.id, "uri": f"source:{ids[base]}/{below}", "source_id": ids[base]}
            )
    changed = sa.text("UPDATE documents SET uri = :uri, source_id = :source_id WHERE id = :id")
    connection.execute(changed, values)


def _root(uri: str, path: str) -> Root | None:
    """The folder that was ingested, from a document's uri and what readers see; None if the two do
    not agree.
    """
    places, shown = uri.removeprefix("file:///").split("/"), path.split("/")
    if [unquote(place, errors="replace") for place in places[-len(shown) :]] != shown:
        return None
    if len(shown) == 1:
        return "".join(f"/{place}" for place in places[:-1]), True
    kept = len(places) - len(shown) + 1
    return "".join(f"/{place}" for place in places[:kept]), False


def _outermost(roots: set[Root]) -> dict[Root, Root]:
    folders = {place for place, loose in roots if not loose}

    def outer(root: Root) -> Root:
        above = [root[0]] + [root[0][: match.start()] for match in re.finditer("/", root[0])]
        around = [place for place in above if place in folders]
        return (min(around, key=len), False) if around else root

    return {root: outer(root) for root in roots}


def _made(connection: sa.Connection, roots: Iterable[Root]) -> dict[Root, int]:
    nobody, taken, ids = _nobody(connection), set[str](), dict[Root, int]()
    for number, (place, loose) in enumerate(roots, start=1):
        last = unquote(place.rpartition("/")[2], errors="replace")
        plain = re.sub(r"[^\w.-]+", "-", last).strip("-._").lower()[:80] or "files"
        plain = f"{plain}-files" if loose else plain
        name = plain if plain.casefold() not in taken else f"{plain}-{number}"
        taken.add(name.casefold())
        ids[place, loose] = number
        values = {
            "id": number, "name": name, "root": place or "/", "shown": "" if loose else last, "loose": int(loose),
            "nobody": nobody,
        }  # fmt: skip
        statement = (
            "INSERT INTO sources (id, name, root, shown, loose, named, reader_set_id) VALUES "
        )
        connection.execute(
            sa.text(statement + "(:id, :name, :root, :shown, :loose, 0, :nobody)"), values
        )
    if connection.dialect.name == "postgresql":
        connection.execute(
            sa.text("SELECT setval(pg_get_serial_sequence('sources', 'id'), :last)"),
            {"last": len(ids)},
        )
    return ids


def _nobody(connection: sa.Connection) -> int:
    """The set of no readers, as the catalog keeps it."""
    fingerprint = hashlib.sha256(json.dumps([]).encode()).hexdigest()
    wanted = sa.text("SELECT id FROM reader_sets WHERE fingerprint = :fingerprint")
    found = connection.scalar(wanted, {"fingerprint": fingerprint})
    if found is None:
        added = sa.text("INSERT INTO reader_sets (fingerprint) VALUES (:fingerprint)")
        connection.execute(added, {"fingerprint": fingerprint})
        found = connection.scalar(wanted, {"fingerprint": fingerprint})
    return int(found)
