"""A small corpus on real parts for tests: real SQLite, real FAISS, real keyword index; only the
embedder is hashed.
"""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from indexes.catalog import Catalog
from indexes.catalog.filters import Filters
from indexes.job_kinds import REBUILD
from indexes.model import Actor, Chunk, Document, Mode, PageMark, Principal, Readers, SearchResult
from indexes.search.searcher import Searcher
from indexes.settings import Settings
from indexes.testing import HashingEmbedder
from tests.databases import catalog_at

MODES: tuple[Mode, ...] = ("hybrid", "dense", "keyword")
TESTER = Actor("system:test")
"""Who writes what a test needs, if it does not matter to the test who it is."""


@cache
def _migrated() -> Path:
    folder = Path(mkdtemp(prefix="clearance-template-"))
    Catalog.open(f"sqlite:///{folder}/catalog.sqlite").close()
    return folder


def document(
    uri: str, texts: str | Iterable[str], allow: Iterable[str], deny: Iterable[str] = (), **fields
) -> Document:
    """A document with one chunk per text."""
    parts = [texts] if isinstance(texts, str) else list(texts)
    chunks, start = [], 0
    for ordinal, part in enumerate(parts):
        marks = (PageMark(start, ordinal + 1),)
        chunks.append(
            Chunk(
                ordinal=ordinal,
                text=part,
                start=start,
                end=start + len(part),
                pages=marks,
                embedded=part,
            )
        )
        start += len(part) + 2
    given = {
        "path": uri,
        "title": uri,
        "media_type": "text/plain",
        "page_kind": "page",
        "content_hash": "0" * 64,
    }
    return Document(
        uri=uri,
        text="\n\n".join(parts),
        chunks=tuple(chunks),
        readers=Readers(allow=frozenset(allow), deny=frozenset(deny)),
        **{**given, **fields},
    )


class World:
    def __init__(
        self,
        home: Path,
        *,
        embedder: HashingEmbedder | None = None,
        catalog_url: str | None = None,
        **settings,
    ) -> None:
        """catalog_url: of a catalog that another process has made; if None, one of this home's own."""
        self.home = home
        url = catalog_url or catalog_at(home)
        if url is None and not (home / "catalog.sqlite").exists():
            shutil.copytree(_migrated(), home, dirs_exist_ok=True)
            (home / "catalog.sqlite").chmod(0o600)
        self.embedder = embedder or HashingEmbedder()
        self.settings = Settings(home=home, database_url=url, **settings)
        self.catalog = Catalog.open(self.settings.catalog_url)
        self.searcher = self.new_searcher()

    def new_searcher(self) -> Searcher:
        """As another process would make one."""
        return Searcher(self.catalog, self.embedder, self.settings)

    def people(self, **groups_of: Iterable[str]) -> None:
        """people(ada=["hr"]): makes user ada, group hr, and puts her into it."""
        for user, groups in groups_of.items():
            self.catalog.people.add_user(user, by=TESTER)
            for group in groups:
                if f"group:{group}" not in self.catalog.people.groups():
                    self.catalog.people.add_group(group, by=TESTER)
                self.catalog.people.add_member(group, f"user:{user}", by=TESTER)

    def put(
        self, uri: str, texts: str | Iterable[str], *allow: str, deny: Iterable[str] = (), **fields
    ) -> str:
        doc = document(uri, texts, allow, deny, **fields)
        vectors = self.embedder.passages([chunk.embedded for chunk in doc.chunks])
        generations = self.catalog.generations.writable()
        return self.catalog.documents.put(doc, {g.id: vectors for g in generations}, by=TESTER)

    def relabel(self, uri: str, *allow: str, deny: Iterable[str] = ()) -> bool:
        return self.catalog.documents.relabel(
            uri, Readers(allow=frozenset(allow), deny=frozenset(deny)), by=TESTER
        )

    def search(
        self,
        user: str,
        question: str,
        k: int = 10,
        mode: Mode = "hybrid",
        filters: Filters | None = None,
    ) -> SearchResult:
        return self.searcher.search(
            question, Principal(name=f"user:{user}"), k, mode=mode, filters=filters
        )

    def titles(self, user: str, question: str, **options) -> list[str]:
        return [hit.title for hit in self.search(user, question, **options).hits]

    def close(self) -> None:
        self.catalog.close()


def building_job(catalog: Catalog) -> str:
    """The id of a job that somebody is doing: what it builds is no abandoned generation."""
    for job in catalog.jobs.latest(50):
        if job.kind == REBUILD and job.state == "running":
            return job.id
    return catalog.jobs.begin(REBUILD, {"model": "tested"}, 3600, by=TESTER).id


def as_bytes(result: SearchResult) -> bytes:
    """Everything of a result, to the last digit of a score; its sealed position is another one each
    time anyway.
    """
    return repr(replace(result, position="")).encode()
