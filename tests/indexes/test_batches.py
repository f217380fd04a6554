"""Whatever happens between two searches, together: indexes that followed answer as indexes that
were built fresh.

Batches of 1 to 30 edits of every sort, in any order; after each, every mode for several readers is
compared byte for byte with a searcher made from the catalog alone, and with a brute-force model of
who may read what.
"""

import multiprocessing
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from indexes.catalog import Catalog
from indexes.catalog.filters import Filters
from indexes.derived.vectors.faiss_store import FaissStore
from indexes.derived.verify import verify
from indexes.model import Principal
from indexes.search.searcher import Searcher
from indexes.settings import Settings
from tests.databases import SERVER
from tests.edits import (
    ASKERS,
    BY_FINGERPRINT,
    EMBEDDERS,
    NO_LIMIT,
    WITH_TOKEN,
    Edit,
    Model,
    carry_out,
    edit_of,
    filters_of,
    is_of_the_catalog,
    new_people,
    question_of,
)
from tests.quick import QUICK
from tests.world import MODES, World, as_bytes

PARTS = 4  # for several workers
EDITS = 20_000 if SERVER is None else 3_000  # in all parts together
BATCHES = 8

numbers = st.integers(0, NO_LIMIT - 1)
batch = st.integers(1, 30).flatmap(lambda size: st.lists(numbers, min_size=size, max_size=size))
stories = st.lists(batch, min_size=BATCHES, max_size=BATCHES)


@pytest.fixture(autouse=True)
def few_lists_and_small_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a fresh index costs little, lists run out, and a handful of passages is searched by
    topic.
    """
    monkeypatch.setitem(FaissStore.__init__.__kwdefaults__, "lists", 4)  # type: ignore[arg-type]
    monkeypatch.setattr("indexes.derived.vectors.faiss_store._LEAST_BUDGETS", 0)
    monkeypatch.setattr("indexes.derived.vectors.topics.BUDGET", 8)
    monkeypatch.setattr("indexes.derived.vectors.topics.BUDGET_PER_HIT", 1)
    monkeypatch.setattr("indexes.derived.vectors.topics.FEWEST_TOPICS", 2)


class Story:
    """A home with its catalog, the processes that search it, and the model of what they should
    find.
    """

    def __init__(self, folder: Path, *, scan_limit: int = 250_000) -> None:
        self.folder = folder
        self.world = World(folder / "home", embedder=EMBEDDERS["one"], exact_scan_limit=scan_limit)
        self.catalog = self.world.catalog
        self.model = Model()
        self.done: Counter[str] = Counter()
        new_people(self.catalog)
        self.first = self.started("home")
        self.second: Searcher | None = None

    def started(self, home: str) -> Searcher:
        """As a process with this home would start."""
        active = self.catalog.generations.active()
        embedder = EMBEDDERS["one"] if active is None else BY_FINGERPRINT[active.fingerprint]
        there = {"home": self.folder / home, "database_url": self.world.settings.catalog_url}
        given = self.world.settings.model_copy(update=there)
        return Searcher(
            self.catalog, embedder, given, load_embedder=lambda name, *_: EMBEDDERS[name]
        )

    def tell(self, number: int) -> None:
        edit = edit_of(number, self.model)
        if edit is None:
            return
        self.done[edit.verb] += 1
        note(f"{edit.verb}: {edit.given}")  # hypothesis says this of the shortest story that fails
        if not is_of_the_catalog(edit):
            self._to_a_process(edit)
        elif carry_out(self.catalog, edit):
            self.model.took(edit)

    def _to_a_process(self, edit: Edit) -> None:
        match edit.verb:
            case "rebuild":
                self.first.corpus.maintenance.rebuild()
            case "tend":
                self.tend()
            case "checkpoint":
                self.first.corpus.maintenance.save()
            case "restart":
                self.first = self.started("home")
            case "second process":
                self.second = self.started("second") if self.second is None else None
            case "follow":
                self.first.corpus.follow()
            case "search":
                self.first.search("alpha", ASKERS[0], 3)

    def tend(self) -> None:
        """As the thread in the background does.

        Whether topics are worth it is seen once everything is followed.
        """
        for searcher in self.running():
            searcher.corpus.follow()
            searcher.corpus.maintenance.run()

    def running(self) -> list[Searcher]:
        return [self.first] if self.second is None else [self.first, self.second]

    def check(self, chance: Random) -> None:
        """Everybody finds what a searcher that was built this moment finds, and all and only what
        they may read.
        """
        with self.catalog.reading() as state:
            generation = state.generation()
            assert generation is not None
            by_topic = state.centroids(generation) is not None
        if by_topic:
            # topics are learnt once and shared; until it has tended, a process searches without
            # them
            self.tend()
        asked = [*chance.sample(ASKERS, 2), WITH_TOKEN]
        question, filters = question_of(chance), filters_of(chance)
        expected = answers(self.started("fresh"), asked, question, filters)
        for number, searcher in enumerate(self.running()):
            assert answers(searcher, asked, question, filters) == expected, (
                f"process {number} answers differently"
            )
            assert searcher.status().alarms == 0
            with searcher.corpus.everything() as (state, derived):
                assert verify(state, derived, whole=True).differences == ()
        for asker in asked:
            self._check_with_model(asker, everything=not by_topic)

    def _check_with_model(self, asker: Principal, *, everything: bool) -> None:
        readable = self.model.readable(asker)
        paths = {str(self.model.documents[uri].fields["path"]) for uri in readable}
        assert self.catalog.documents.paths(asker) == paths
        titles = {self.model.documents[uri].fields.get("title", uri) for uri in readable}
        with_text = {
            self.model.documents[uri].fields.get("title", uri)
            for uri in readable
            if self.model.documents[uri].texts
        }
        found = {hit.title for hit in self.first.search("alpha", asker, 100, mode="dense").hits}
        assert found == with_text if everything else found <= titles


def answers(
    searcher: Searcher, askers: list[Principal], question: str, filters: Filters
) -> list[bytes]:
    """In every mode for each of them, and with the filter for the first."""
    asked = [(asker, None) for asker in askers] + [(askers[0], filters)]
    return [
        as_bytes(searcher.search(question, asker, 10, mode=mode, filters=only))
        for asker, only in asked
        for mode in MODES
    ]


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where the machine has that: every commit is synced, and a disk would take most of
    the time.
    """
    made = Path(tempfile.mkdtemp(prefix="clearance-batches-", dir=QUICK))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_indexes_that_followed_a_batch_answer_as_indexes_built_fresh(
    folder: Path, part: int
) -> None:
    done: Counter[str] = Counter()
    each = EDITS // PARTS

    @settings(
        max_examples=10 if SERVER is None else 3,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(stories, st.booleans())
    def tell(story: list[list[int]], large: bool) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as home:
            told = Story(Path(home), scan_limit=12 if large else 250_000)
            try:
                for batch in story:
                    for number in batch:
                        told.tell(number)
                    told.check(Random(sum(batch)))
            finally:
                told.world.close()
                done.update(told.done)

    while done.total() < each:
        tell()
    print(f"\n{done.total()} edits: {dict(done.most_common())}")


# --- in another process -------------------------------------------------------------------------


def _process(home: Path, url: str, pipe: Connection) -> None:
    """Another process with a home of its own: carries out edits and answers, as told."""
    catalog = Catalog.open(url)
    active = catalog.generations.active()
    assert active is not None
    given = Settings(home=home, database_url=url)
    searcher = Searcher(
        catalog,
        BY_FINGERPRINT[active.fingerprint],
        given,
        load_embedder=lambda name, *_: EMBEDDERS[name],
    )
    with searcher.background_work(every_s=0.05):
        for told in iter(pipe.recv, None):
            if isinstance(told, Edit):
                pipe.send(carry_out(catalog, told))
            else:
                pipe.send(settled_answers(searcher, catalog, *told))
    catalog.close()


def settled_answers(
    searcher: Searcher,
    catalog: Catalog,
    askers: list[Principal],
    question: str,
    filters: Filters,
) -> tuple[int, list[bytes]]:
    """All from the active generation, and which that is. While a process makes ready for another
    one in the background, the former answers.
    """
    while True:
        before = searcher.corpus.generation().id
        found = answers(searcher, askers, question, filters)
        active = catalog.generations.active()
        assert active is not None
        if before == searcher.corpus.generation().id == active.id:
            return active.id, found
        searcher.corpus.follow()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_several_processes_write_is_answered_alike_by_each(folder: Path) -> None:
    """Two more processes follow in the background while they and this one write by turns."""
    story, chance = Story(folder), Random()
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for number in range(2):
        mine, theirs = context.Pipe()
        url = story.world.settings.catalog_url
        processes.append(
            context.Process(target=_process, args=(folder / f"other{number}", url, theirs))
        )
        processes[-1].start()
        pipes.append(mine)
    try:
        for _ in range(25):
            for _ in range(chance.randint(1, 30)):
                edit = edit_of(chance.randrange(1, NO_LIMIT), story.model)
                if edit is None or not is_of_the_catalog(edit):
                    continue
                pipe = chance.choice([*pipes, None])
                if pipe is not None:
                    pipe.send(edit)
                if carry_out(story.catalog, edit) if pipe is None else pipe.recv():
                    story.model.took(edit)
            story.check(Random(chance.random()))
            told = ([*ASKERS, WITH_TOKEN], question_of(chance), filters_of(chance))
            for pipe in pipes:
                pipe.send(told)
            here = settled_answers(story.first, story.catalog, *told)
            assert [pipe.recv() for pipe in pipes] == [here] * len(pipes)
    finally:
        for pipe, process in zip(pipes, processes, strict=True):
            pipe.send(None)
            process.join(30)
            process.kill()
        story.world.close()
