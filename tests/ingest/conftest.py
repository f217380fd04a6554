"""A folder of documents, a real catalog, real parsers, an embedder that can be questioned."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from indexes import embedder
from indexes.catalog import Catalog
from indexes.job_kinds import IngestRequest
from indexes.model import StoredDocument
from indexes.settings import Settings
from ingest import requests
from ingest.cli.ingest import app, ingest_once
from ingest.isolation.sandbox import Parsers
from ingest.testing import SpyEmbedder
from tests.databases import sqlite
from tests.ingest.pdf_sheet import Sheet


@pytest.fixture(scope="session")
def pool() -> Iterator[Parsers]:
    """Real parsing processes, started once for all tests."""
    with Parsers(Settings(parse_workers=2, parse_timeout_s=30)) as parsers:
        yield parsers


class IngestWorld:
    """What a test writes, ingests and looks at."""

    def __init__(self, folder: Path, pool: Parsers, capsys: pytest.CaptureFixture[str]) -> None:
        self.docs = folder / "docs"
        self.docs.mkdir()
        self.settings = Settings(home=folder / "home", chunk_tokens=64, parse_workers=2)
        self.embedder = SpyEmbedder()
        self.pool: Any = pool
        self.models_loaded: list[str] = []
        self._capsys = capsys

    def write(self, name: str, text: str = "The canteen opens at noon.") -> Path:
        path = self.docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def rule(self, *allow: str, folder: str = "") -> None:
        self.write(f"{folder}/.access.yaml".lstrip("/"), json.dumps({"allow": list(allow)}))

    def ingest(self, **request: Any) -> dict[str, Any]:
        """One run of the command; its JSON report with the exit code as `code`."""
        self.embedder.batches.clear()
        self.models_loaded.clear()
        wanted = IngestRequest(**{"paths": (self.docs,), **request})
        code = ingest_once(
            wanted, self.settings, as_json=True, load=self.load, make_parsers=self.parsers
        )
        report: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return {**report, "code": code}

    def load(self, model: str, _fingerprint: str | None = None) -> SpyEmbedder:
        self.models_loaded.append(model)
        return self.embedder if model == self.settings.embedding_model else SpyEmbedder(model)

    def parsers(self, settings: Settings) -> Any:
        return contextlib.nullcontext(self.pool)

    @contextlib.contextmanager
    def catalog(self) -> Iterator[Catalog]:
        catalog = Catalog.open(self.settings.catalog_url)
        try:
            yield catalog
        finally:
            catalog.close()

    def stored(self) -> dict[str, StoredDocument]:
        """What the catalog holds, by path below the folder of documents."""
        with self.catalog() as catalog:
            source = catalog.sources.find(self.docs, is_folder=True)
            if source is None:
                return {}
            prefix = source.prefix
            return {
                uri.removeprefix(prefix): d for uri, d in catalog.documents.stored(prefix).items()
            }

    def text(self, name: str) -> str:
        wanted = "SELECT text FROM document_texts JOIN documents ON documents.id = document_id WHERE path = ?"
        return str(self.rows(wanted, f"{self.docs.name}/{name}")[0][0])

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return query(self.settings.home / "catalog.sqlite", statement, *values)

    def everything(self) -> list[tuple[Any, ...]]:
        """Every stored chunk and vector, to see that nothing was touched."""
        return self.rows(
            "SELECT documents.uri, content_hash, stored_at, chunks.row, chunks.text, vectors FROM documents "
            "JOIN chunks ON chunks.document_id = documents.id JOIN vectors ON vectors.document_id = documents.id "
            "ORDER BY chunks.row"
        )


def query(database: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite.connect(str(database))) as connection:
        return list(connection.execute(statement, values))


@pytest.fixture
def run(world: IngestWorld, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command line in this process, with a hashing embedder and shared parsers."""
    monkeypatch.setattr(embedder, "load", lambda settings, say, **_: SpyEmbedder())
    monkeypatch.setattr(requests, "Parsers", world.parsers)
    monkeypatch.setenv("CLEARANCE_HOME", str(world.settings.home))
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def world(tmp_path: Path, pool: Parsers, capsys: pytest.CaptureFixture[str]) -> IngestWorld:
    return IngestWorld(tmp_path, pool, capsys)


@pytest.fixture
def sheet(tmp_path: Path) -> Sheet:
    return Sheet(tmp_path)
