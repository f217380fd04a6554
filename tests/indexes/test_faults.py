"""A fault at any call inside following, switching, rebuilding, saving or starting ends in right
answers.

Every method of the indexes and of the catalog's reading side is counted while a step runs; then the
step runs again and again, each time with an error at the next call. Nothing has to be listed by
hand: a method that is added is met, too.
"""

import inspect
import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random, randint
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from indexes.catalog.database import Database
from indexes.catalog.filters import Filters
from indexes.catalog.index_input import IndexInput
from indexes.catalog.prepared import Prepared
from indexes.catalog.reading import ReadState
from indexes.derived.indexes import DerivedIndexes
from indexes.derived.keywords.index import KeywordIndex
from indexes.derived.keywords.rows import SlotOfRow
from indexes.derived.placements import Placements
from indexes.derived.vectors.faiss_store import FaissStore
from indexes.derived.vectors.lists import InvertedLists
from indexes.derived.vectors.stored_rows import StoredRows
from indexes.derived.vectors.topics import Topics
from indexes.derived.verify import verify
from indexes.errors import ClearanceError
from indexes.search.searcher import Searcher
from tests.databases import SERVER
from tests.edits import ASKERS, Edit, carry_out
from tests.indexes.test_batches import Story, answers
from tests.quick import QUICK
from tests.world import TESTER

WATCHED = (
    FaissStore,
    StoredRows,
    InvertedLists,
    Topics,
    KeywordIndex,
    SlotOfRow,
    DerivedIndexes,
    IndexInput,
    Placements,
    ReadState,
    Database,
    Prepared,
)
ERRORS: tuple[Callable[[], Exception], ...] = (
    lambda: RuntimeError("injected"),
    MemoryError,
    lambda: OperationalError("injected", None, Exception("disk I/O error")),
)


class Faults:
    """Counts calls while it is armed, and raises at one of them."""

    def __init__(self) -> None:
        self.armed = False
        self.calls = 0
        self.at: int | None = None
        self.error: Callable[[], Exception] = ERRORS[0]
        self.raised = ""

    @contextmanager
    def arm(self, at: int | None, error: Callable[[], Exception]) -> Iterator[None]:
        self.calls, self.at, self.error, self.raised = 0, at, error, ""
        self.armed = True
        try:
            yield
        finally:
            self.armed = False

    def met(self, name: str) -> None:
        if not self.armed:
            return
        self.calls += 1
        if self.calls == self.at:
            self.raised = name
            raise self.error()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    made = Faults()
    for watched in WATCHED:
        for name, method in list(vars(watched).items()):
            if inspect.isfunction(method) and not name.startswith("__"):
                monkeypatch.setattr(
                    watched, name, _counted(made, f"{watched.__name__}.{name}", method)
                )
    return made


def _counted(faults: Faults, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*given: Any, **named: Any) -> Any:
        faults.met(name)
        return method(*given, **named)

    return counted


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    monkeypatch.setitem(FaissStore.__init__.__kwdefaults__, "lists", 4)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory(dir=QUICK) as folder:
        made = Story(Path(folder), scan_limit=6)
        yield made
        made.world.close()


# --- steps that may fail in the middle ----------------------------------------------------------


def search(story: Story) -> None:
    for asker in ASKERS:
        story.first.search("alpha beta", asker, 5)


def follow(story: Story) -> None:
    story.first.corpus.follow()


def switch(story: Story) -> None:
    """To a generation that is there already, so that only the process has something to do."""
    active = story.catalog.generations.active()
    for generation in story.catalog.generations.writable():
        if generation != active:
            story.catalog.generations.activate(generation, by=TESTER)
    search(story)


def tend(story: Story) -> None:
    story.first.corpus.maintenance.run()


def rebuild(story: Story) -> None:
    story.first.corpus.maintenance.rebuild()


def save(story: Story) -> None:
    follow(story)
    story.first.corpus.maintenance.save()


def start(story: Story) -> None:
    story.first = story.started("home")


FOLLOWING = [search, follow, switch]
OTHERS = [tend, rebuild, save, start]


def edited(story: Story, chance: Random) -> None:
    """A batch in which every kind of change is met: new, other text, moved together, gone, and
    other groups.
    """
    readers = [["group:hr"], ["group:eng"], ["public"], ["user:ada", "group:all"]]
    for number in range(3):
        _put(
            story,
            f"doc{number}",
            chance.choice(readers),
            [f"alpha {chance.random()}", f"beta {number}"],
        )
    _do(story, "relabel", uri="doc3", allow=["group:hr"], deny=[])
    _do(story, "relabel", uri="doc2", allow=["group:hr"], deny=[])
    _do(story, "delete", uri="doc4")
    _put(story, "doc4", chance.choice(readers), ["alpha gamma"])
    _do(story, "delete", uri="doc5")
    _put(story, f"doc{chance.randint(5, 6)}", chance.choice(readers), ["beta gamma"])
    group = {"group": "hr", "member": "user:ada"}
    _do(story, "leave" if story.model.members else "join", **group)


def _put(story: Story, uri: str, allow: list[str], texts: list[str]) -> None:
    _do(story, "put", uri=uri, texts=texts, allow=allow, deny=[], fields={"path": f"a/{uri}"})


def _do(story: Story, verb: str, **given: Any) -> None:
    edit = Edit(verb, given)
    if verb in ("relabel", "delete") and given["uri"] not in story.model.documents:
        return
    if carry_out(story.catalog, edit):
        story.model.took(edit)


def right_answers(story: Story) -> list[bytes]:
    """Those of a searcher that is built this moment."""
    return answers(story.started("fresh"), list(ASKERS), "alpha beta", Filters(path_prefix="a"))


def assert_right(story: Story, searcher: Searcher, expected: list[bytes], why: str) -> None:
    searcher.corpus.follow()
    # topics are learnt once, and may not have been taken over because of the fault
    searcher.corpus.maintenance.run()
    found = answers(searcher, list(ASKERS), "alpha beta", Filters(path_prefix="a"))
    assert found == expected, why
    with searcher.corpus.everything() as (state, derived):
        assert verify(state, derived, whole=True).differences == (), why


def error_of(story: Story, step: Callable[[Story], None]) -> Exception | None:
    try:
        step(story)
    except Exception as error:
        return error
    return None


def fail_at(story: Story, faults: Faults, step: Callable[[Story], None], at: int) -> bool:
    """One round. False: the step ended before that call."""
    chance = Random(at)
    if step is switch:
        carry_out(story.catalog, Edit("make a generation ready", {}))
        if at % 2:
            story.first.corpus.maintenance.run()
    edited(story, chance)
    error = ERRORS[at % len(ERRORS)]
    with faults.arm(at, error):
        told = error_of(story, step)
    if not isinstance(told, ClearanceError | None):
        assert type(told) is type(error()), f"{faults.raised} became {told!r}"
        of_the_database = isinstance(told, OperationalError) and faults.raised.startswith(
            ("IndexInput.", "ReadState.")
        )
        assert not of_the_database, "what a database says is told in our words"
    reached = faults.raised != ""
    why = f"after a fault at call {at} of {step.__name__}: {faults.raised}"
    expected = right_answers(story)
    if at % 2:
        story.first.corpus.maintenance.save()
        from_checkpoint = f"{why}, from the checkpoint of right after it"
        assert_right(story, story.started("home"), expected, from_checkpoint)
    assert_right(story, story.first, expected, why)
    return reached


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", FOLLOWING, ids=lambda step: step.__name__)
def test_a_fault_at_any_call_inside_following_ends_in_right_answers(
    story: Story, faults: Faults, step: Callable[[Story], None]
) -> None:
    stride = (1 if step is search else 3) if SERVER is None else 17
    for at in itertools.count(randint(1, stride), stride):  # another run meets other calls
        if not fail_at(story, faults, step, at):
            break
    print(f"\n{at - 1} calls of {step.__name__}")
    assert at > 30


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", OTHERS, ids=lambda step: step.__name__)
def test_a_fault_anywhere_else_ends_in_right_answers(
    story: Story, faults: Faults, step: Callable[[Story], None]
) -> None:
    stride = 9 if SERVER is None else 31
    for at in itertools.count(randint(1, stride), stride):
        if not fail_at(story, faults, step, at):
            break
    assert at > 5
