"""A small house with secrets: three documents, three people, and the service in front of them."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import typer
from fastapi import FastAPI
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from indexes.catalog import Catalog
from indexes.cli.common import exit_on_error
from indexes.model import Chunk, Document, PageMark, Readers
from indexes.settings import Settings
from indexes.testing import HashingEmbedder
from service.app import create_app
from service.testing.models import ScriptedModel
from tests.world import TESTER

SALARIES = (
    "Salaries rise in March by three per cent. The secret word is heliotrope. 工资在三月上涨。"
)
MENU = "The canteen serves soup on Mondays. On Fridays there is fish."
ROADMAP = "The engine ships in autumn. The code name is marmalade."
REPLY = "Salaries rise in March [1]."


def run_command(app: typer.Typer, words: Sequence[str]) -> Result:
    """The command as `clearance` runs it: what goes wrong is told, and gives the exit code."""
    told = typer.Typer()
    as_they_are = {"allow_extra_args": True, "allow_interspersed_args": False}

    @told.command(context_settings=as_they_are)
    def command(context: typer.Context) -> None:
        with exit_on_error():
            code = app(context.args, standalone_mode=False)
        raise typer.Exit(code or 0)

    return CliRunner().invoke(told, list(words))


def document(name: str, text: str, readers: Readers) -> Document:
    chunk = Chunk(
        ordinal=0,
        text=text,
        start=0,
        end=len(text),
        pages=(PageMark(0, 1),),
        embedded=f"{name}\n{text}",
    )
    return Document(
        uri=f"file:///house/{name}.txt",
        path=f"{name}.txt",
        title=name.title(),
        media_type="text/plain",
        text=text,
        chunks=(chunk,),
        content_hash=f"hash of {name}: {text}",
        readers=readers,
        page_kind="page",
    )


def readers(*names: str) -> Readers:
    return Readers(allow=frozenset(names))


@dataclass
class House:
    """The service over real parts; only the embedder and the model are fakes."""

    app: FastAPI
    catalog: Catalog
    settings: Settings
    model: ScriptedModel
    embedder: HashingEmbedder
    keys: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, text: str, may_read: Readers) -> str:
        made = document(name, text, may_read)
        vectors = self.embedder.passages([chunk.embedded for chunk in made.chunks])
        generations = {generation.id: vectors for generation in self.catalog.generations.writable()}
        self.ids[name] = self.catalog.documents.put(made, generations, by=TESTER)
        return self.ids[name]

    def headers(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[name]}"}


@pytest.fixture(scope="session")
def first_house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Built once; every test works on a copy."""
    house = _opened(tmp_path_factory.mktemp("house"))
    for user, scopes in {"ada": ("ask",), "bob": ("ask",), "root": ("ask", "admin")}.items():
        house.catalog.people.add_user(user, by=TESTER)
        house.keys[user] = house.catalog.keys.issue(user, scopes=scopes, by=TESTER).secret
    for group, member in {"hr": "user:ada", "eng": "user:bob"}.items():
        house.catalog.people.add_group(group, by=TESTER)
        house.catalog.people.add_member(group, member, by=TESTER)
    house.put("salaries", SALARIES, readers("group:hr"))
    house.put("roadmap", ROADMAP, readers("group:eng"))
    house.put("menu", MENU, readers("public"))
    house.catalog.close()
    return house


@pytest.fixture
def house(first_house: House, tmp_path: Path) -> Iterator[House]:
    home = tmp_path / "house"
    shutil.copytree(first_house.settings.home, home)
    made = _opened(home)
    made.keys.update(first_house.keys)
    made.ids.update(first_house.ids)
    yield made
    made.catalog.close()


@pytest.fixture
def http(house: House) -> Iterator[TestClient]:
    """The service, called in the same process."""
    with TestClient(house.app) as client:
        yield client


def _opened(home: Path) -> House:
    settings = Settings(home=home, max_body_kb=64)
    catalog, embedder, model = (
        Catalog.open(settings.catalog_url),
        HashingEmbedder(),
        ScriptedModel(REPLY),
    )
    catalog.generations.ensure(embedder.name, embedder.fingerprint, embedder.dimension, by=TESTER)
    app = create_app(settings, embedder=embedder, model=model, catalog=catalog, load_embedder=_load)
    return House(app, catalog, settings, model, embedder)


def _load(name: str, _fingerprint: str | None = None) -> HashingEmbedder:
    return HashingEmbedder(name=name)
