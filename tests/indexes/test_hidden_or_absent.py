"""What is hidden and what is not there take the same work, counted in the database's own steps, not
in time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from indexes.catalog.filters import Filters
from indexes.catalog.template_choice import TemplateText
from indexes.errors import NotFound
from indexes.model import Principal, Readers
from indexes.search.document_list import DocumentList
from tests.databases import only_sqlite
from tests.world import TESTER, World

ADA, BOB = Principal(name="user:ada"), Principal(name="user:bob")
ABSENT = ("AbsentAbsentAbsentAb", "0" * 20, "~" * 20, "")
SLACK = 6  # steps, of some 200: fetching what was found

pytestmark = only_sqlite


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("house") / "home")
    world.people(ada=["hr", "staff"], bob=["board"])
    for number in range(30):
        world.put(f"visible{number}", f"May {number}", "group:hr")
        body = [f"May {number} " + "word " * 400] * 5
        metadata = {f"key{n}": "v" * 500 for n in range(20)}
        world.put(
            f"hidden{number}",
            body,
            "group:board",
            "user:bob",
            deny=["group:staff"],
            metadata=metadata,
            original="a" * 64,
        )
    yield world
    world.close()


@contextmanager
def counted(world: World) -> Iterator[list[int]]:
    """How many steps SQLite's machine takes inside the block."""
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    with world.catalog._database.reading() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
    raw.set_progress_handler(step, 1)  # whoever reads next gets this connection
    yield steps
    raw.set_progress_handler(None, 1)


def work(world: World, read: Callable[[str], object], public_id: str) -> int:
    for _ in range(2):  # a connection's first time differs
        with counted(world) as steps, suppress(NotFound):
            assert read(public_id) is None
    assert steps[0] > 50, "nothing was counted"
    return steps[0]


def test_a_hidden_document_takes_the_same_work_as_none(house: World) -> None:
    hidden = {hit.document_id for hit in house.search("bob", "May", k=40).hits}
    read = partial(house.searcher.document, principal=ADA)
    works = [work(house, read, public_id) for public_id in [*hidden, *ABSENT[:2]]]
    assert max(works) - min(works) <= SLACK
    assert len(hidden) == 30


def test_a_hidden_original_takes_the_same_work_as_none(house: World) -> None:
    hidden = {hit.document_id for hit in house.search("bob", "May", k=40).hits}

    def read(public_id: str) -> object:
        with house.catalog.reading() as state:
            return state.original(public_id, ADA)

    works = [work(house, read, public_id) for public_id in [*hidden, *ABSENT[:2]]]
    assert max(works) - min(works) <= SLACK


def test_a_hidden_passage_takes_the_same_work_as_none(house: World) -> None:
    hidden = [hit.id for hit in house.search("bob", "May", k=40).hits]
    for read in (house.searcher.passage, house.searcher.passage_with_document):
        works = [
            work(house, partial(read, principal=ADA), public_id)
            for public_id in [*hidden, *ABSENT[:2]]
        ]
        assert max(works) - min(works) <= SLACK


def test_what_may_be_read_is_still_read(house: World) -> None:
    for hit in house.search("bob", "May", k=40).hits:
        assert house.searcher.passage(hit.id, BOB).text == hit.text
        opened, whole = house.searcher.passage_with_document(hit.id, BOB)
        assert whole.text[opened.start : opened.end] == hit.text
    for public_id in (*ABSENT, "a\0b", "\ud800", "x" * 1000):
        searcher = house.searcher
        for read in (searcher.document, searcher.passage, searcher.passage_with_document):
            with pytest.raises(NotFound):
                read(public_id, BOB)


def test_a_list_takes_the_same_work_whatever_is_hidden(tmp_path: Path) -> None:
    world = World(tmp_path / "home")
    world.people(ada=["hr"], bob=["board"])
    for number in range(20):
        world.put(f"visible{number}", "May", "group:hr")
    world.put("hidden", "May", "group:board")
    documents = DocumentList(world.catalog)

    def count_steps(read: Callable[[], int], expected: int) -> int:
        for _ in range(2):
            with counted(world) as steps:
                assert read() == expected
        return steps[0]

    def read_both() -> list[int]:
        return [
            count_steps(lambda: len(documents.page(ADA, Filters(), None, 11).documents), 11),
            count_steps(lambda: documents.summary(ADA, Filters()).documents, 20),
        ]

    before = read_both()
    for number in range(100):
        world.put(f"hidden{number}", "May", "group:board")
    changed = [after - once for after, once in zip(read_both(), before, strict=True)]
    assert max(map(abs, changed)) <= SLACK
    world.close()


def test_a_hidden_template_takes_the_same_work_as_none(house: World) -> None:
    templates = house.catalog.templates
    said = TemplateText(variables=(), system="", user="", no_answer="")
    for _ in range(3):
        templates.save(
            "secret", "chat", "en", said, Readers(allow=frozenset({"group:board"})), by=TESTER
        )
        templates.activate("secret", 1, by=TESTER)
    for read in (
        lambda name: templates.choose_by_name(ADA, name, "chat"),
        lambda name: templates.find_version(ADA, name, 1, "chat"),
    ):
        assert abs(work(house, read, "secret") - work(house, read, "absent")) <= SLACK
    assert templates.choose_by_name(BOB, "secret", "chat") is not None
    assert templates.find_version(BOB, "secret", 1, "chat") is not None
    assert templates.find_version(BOB, "secret", 9, "chat") is None
