"""A service that takes uploads, its source on the disk, and a worker: real parts, but for the embedder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from indexes.job_kinds import IngestRequest
from indexes.model import Readers
from ingest.cli.ingest import ingest_once
from ingest.isolation.sandbox import Parsers
from ingest.testing import SpyEmbedder
from ingest.worker import do_jobs
from service.app import create_app
from tests.world import TESTER, World

MODEL = "multilingual-e5-small"  # what the settings name; its place is taken by an instant one
SCOPES = {
    "ann": ("ask", "ingest"),  # writes to `handbook`
    "ben": ("ask", "ingest"),  # writes to nothing
    "eve": ("ask",),
    "bob": ("ask",),
    "root": ("ask", "admin"),
}


def rule(*allow: str, deny: tuple[str, ...] = ()) -> Readers:
    return Readers(allow=frozenset(allow), deny=frozenset(deny))


class Uploading:
    """ann writes to the source `handbook`, whose rule allows staff and board; eve and ann are staff,
    bob and ann are on the board.
    """

    def __init__(self, folder: Path, parsers: Parsers, model: str = MODEL, **settings: Any) -> None:
        self.parsers = parsers
        self.world = World(
            folder / "home", embedder=SpyEmbedder(model), **{"max_upload_mb": 1, **settings}
        )
        self.catalog, self.settings = self.world.catalog, self.world.settings
        self.docs = folder / "docs"
        self.docs.mkdir()
        self.world.people(ann=["staff", "board"], ben=[], eve=["staff"], bob=["board"], root=[])
        self.catalog.sources.add(
            "handbook", self.docs, rule("group:staff", "group:board"), by=TESTER
        )
        self.catalog.sources.set_writers("handbook", rule("user:ann"), by=TESTER)
        issue = self.catalog.keys.issue
        self.keys = {
            user: issue(user, scopes=scopes, by=TESTER).secret for user, scopes in SCOPES.items()
        }
        app = create_app(
            self.settings,
            embedder=self.world.embedder,
            catalog=self.catalog,
            load_embedder=self.load,
        )
        self.http = TestClient(app)

    def load(self, model: str, _fingerprint: str | None = None) -> SpyEmbedder:
        return SpyEmbedder(model)

    def ask(self, method: str, path: str, who: str = "ann", **sent: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.keys[who]}", **sent.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **sent)

    def upload(
        self,
        path: str,
        content: str | bytes = "The canteen opens at noon.",
        who: str = "ann",
        **fields: Any,
    ) -> Any:
        """fields: of the form; `headers` of the request."""
        headers = fields.pop("headers", {})
        data = {"source": "handbook", "path": path, **fields}
        given = content.encode() if isinstance(content, str) else content
        files = {"file": ("whatever.txt", given)}
        return self.ask("POST", "/documents", who, data=data, files=files, headers=headers)

    def uploaded(
        self, path: str, content: str = "The canteen opens at noon.", **fields: Any
    ) -> str:
        """The id of a document that was uploaded and read."""
        reply = self.upload(path, content, **fields)
        assert reply.status_code == 202, reply.text
        self.work()
        job = self.job(reply)
        assert job["succeeded"], job
        return str(job["document_id"])

    def job(self, reply: Any, who: str = "ann") -> Any:
        return self.ask("GET", f"/jobs/{reply.json()['job']}", who).json()

    def work(self) -> None:
        """A worker does all jobs that wait."""
        do_jobs(
            self.settings,
            once=True,
            load=self.load,
            make_parsers=lambda _: contextlib.nullcontext(self.parsers),
        )

    def ingest(self, **request: Any) -> int:
        """`clearance ingest` over the whole folder."""
        return ingest_once(
            IngestRequest(**{"paths": (self.docs,), **request}),
            self.settings,
            as_json=True,
            load=self.load,
            make_parsers=lambda _: contextlib.nullcontext(self.parsers),
        )

    def may_open(self, document_id: str) -> set[str]:
        """Who may open it now."""
        return {
            who
            for who in self.keys
            if self.ask("GET", f"/documents/{document_id}", who).status_code == 200
        }

    def text(self, document_id: str, who: str = "ann") -> str:
        return str(self.ask("GET", f"/documents/{document_id}", who).json()["text"])

    def files(self) -> list[str]:
        """In the source, hidden ones included, and what waits in the home."""
        found = [*self.docs.rglob("*"), *(self.settings.home / "uploads").glob("*")]
        return sorted(file.name for file in found if file.is_file())


@contextlib.contextmanager
def uploading(folder: Path, parsers: Parsers, **settings: Any) -> Iterator[Uploading]:
    made = Uploading(folder, parsers, **settings)
    try:
        with made.http:
            yield made
    finally:
        made.world.close()
