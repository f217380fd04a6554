"""Whoever waits for an answer goes before the work in the background, and that work ends all the
same.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event, get_ident
from typing import Any

import pytest

from indexes.derived import corpus as following
from indexes.derived import precedence as goes_first
from indexes.derived.corpus import Corpus
from indexes.derived.indexes import DerivedIndexes
from indexes.derived.locks import ReadWriteLock
from indexes.derived.precedence import Patience, Precedence
from tests.world import World

LONG_S = 60.0


@pytest.fixture
def staff(world: World) -> World:
    world.people(ada=["hr"], bob=["eng"])
    world.put("menu", "The canteen serves soup on Monday", "public")
    for number in range(3):
        world.put(f"pay{number}", f"canary {number}", "group:hr")
    return world


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request goes first, and the background lets it, for longer than any test takes."""
    monkeypatch.setattr(goes_first, "_GOES_FIRST_S", LONG_S)
    monkeypatch.setattr(following, "_PATIENCE_S", LONG_S)


@contextmanager
def work_noted(
    monkeypatch: pytest.MonkeyPatch, at_each: Callable[[str], object] = lambda name: None
) -> Iterator[list[str]]:
    """What is done to follow inside, piece by piece. at_each: called after each."""
    done: list[str] = []
    with monkeypatch.context() as patch:
        for name in ("compute_changes", "apply"):
            honest = getattr(DerivedIndexes, name)

            def noted(*given: Any, honest: Any = honest, name: str = name) -> Any:
                result = honest(*given)
                done.append(name)
                at_each(name)
                return result

            patch.setattr(DerivedIndexes, name, noted)
        yield done


def is_followed(world: World) -> bool:
    with world.catalog.reading() as state:
        return bool(world.searcher.corpus.held.current.followed == state.mark)


# --- who goes first -----------------------------------------------------------------------------


def test_nobody_who_waits_is_nobody_to_give_way_to() -> None:
    precedence = Precedence()
    with precedence.request():
        pass
    assert precedence.give_way(LONG_S) < LONG_S


@pytest.mark.usefixtures("patient")
def test_one_gives_way_until_the_last_request_is_over() -> None:
    precedence = Precedence()
    with ThreadPoolExecutor(1) as thread, ExitStack() as requests:
        requests.enter_context(precedence.request())
        with precedence.request():
            waiting = thread.submit(precedence.give_way, LONG_S)
        assert not Event().wait(0.05)
        assert not waiting.done()
        requests.close()
        waiting.result(20)


def test_a_request_that_takes_long_goes_first_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goes_first, "_GOES_FIRST_S", 0.01)
    precedence = Precedence()
    with precedence.request():
        assert precedence.give_way(LONG_S) < LONG_S


@pytest.mark.usefixtures("patient")
def test_patience_ends_and_is_had_once_for_a_whole_step(monkeypatch: pytest.MonkeyPatch) -> None:
    precedence, given = Precedence(), list[float]()
    honest = precedence.give_way

    def noted(at_most_s: float) -> float:
        given.append(at_most_s)
        return honest(at_most_s)

    monkeypatch.setattr(precedence, "give_way", noted)
    patience = Patience(precedence, 0.02)
    with precedence.request():
        for _ in range(5):
            patience.give_way()
            with patience.writing(ReadWriteLock()):
                pass
    assert given == [0.02]


@pytest.mark.usefixtures("patient")
def test_who_needs_the_background_is_not_made_to_wait_for_other_requests() -> None:
    precedence = Precedence()
    with ThreadPoolExecutor(1) as thread, precedence.request():
        waiting = thread.submit(precedence.give_way, LONG_S)
        with precedence.waiting_for_background():
            waiting.result(20)
            assert precedence.is_background_waited_for()
        assert not precedence.is_background_waited_for()


# --- following ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("patient")
def test_nothing_is_followed_while_somebody_waits_for_an_answer(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = staff.searcher.corpus
    with work_noted(monkeypatch) as done, ThreadPoolExecutor(1) as thread:
        with corpus.precedence.request():
            background = thread.submit(corpus.follow)
            assert not Event().wait(0.1)
            assert done == []
        background.result(20)
        assert done.count("apply") == 4
    assert is_followed(staff)


@pytest.mark.usefixtures("patient")
def test_a_search_is_somebody_who_waits(staff: World, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, asked = staff.searcher.corpus, list[float]()
    honest = Corpus._meet

    def meanwhile(*given: Any, **named: Any) -> Any:
        asked.append(corpus.precedence.give_way(0.01))
        return honest(*given, **named)

    monkeypatch.setattr(Corpus, "_meet", meanwhile)
    staff.search("bob", "soup")
    assert asked
    assert min(asked) >= 0.01


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("pieces", range(1, 8))
def test_a_request_waits_for_one_piece_of_one_document_at_most(
    staff: World, monkeypatch: pytest.MonkeyPatch, pieces: int
) -> None:
    """Whenever it comes: what is being worked out or applied is ended, and nothing else begins."""
    corpus, begun, requests = staff.searcher.corpus, Event(), ExitStack()

    def at_each(name: str) -> None:
        if len(done) == pieces:
            requests.enter_context(corpus.precedence.request())
            begun.set()

    with work_noted(monkeypatch, at_each) as done, ThreadPoolExecutor(1) as thread:
        background = thread.submit(corpus.follow)
        assert begun.wait(20)
        assert not Event().wait(0.1)
        assert len(done) == pieces
        requests.close()
        background.result(20)
    assert is_followed(staff)


def test_a_request_that_never_ends_stops_nothing(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(goes_first, "_GOES_FIRST_S", LONG_S)
    monkeypatch.setattr(following, "_PATIENCE_S", 0.01)
    with staff.searcher.corpus.precedence.request():
        staff.searcher.corpus.follow()
    assert is_followed(staff)


@pytest.mark.usefixtures("patient")
def test_a_search_that_has_to_follow_waits_for_one_document_at_most(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own view has changed while the background follows others: that step ends early, and what
    it has done stays done.
    """
    corpus, me, mine = staff.searcher.corpus, get_ident(), list[str]()

    with ThreadPoolExecutor(1) as thread:
        found: Any = None

        def at_each(name: str) -> None:
            nonlocal found
            if get_ident() == me:
                mine.append(name)
            if found is None:
                staff.put("news", "canary soup", "group:eng")
                found = thread.submit(staff.titles, "bob", "canary", mode="keyword")
                while not corpus.precedence.is_background_waited_for():
                    assert not found.done()

        with work_noted(monkeypatch, at_each):
            with staff.catalog.reading() as state:
                goal = state.mark.number
            assert corpus._follow_some(goal)
            assert mine == ["compute_changes", "apply"]
            assert found.result(20) == ["news"]
            corpus.follow()
    assert is_followed(staff)


def test_what_is_written_while_the_background_follows_is_left_for_its_next_round(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step for each write of a burst would take the time of whoever asks right after it."""
    corpus, written = staff.searcher.corpus, list[str]()

    def at_each(name: str) -> None:
        written.append(f"late{len(written)}")
        staff.put(written[-1], "canary", "group:hr")

    with work_noted(monkeypatch, at_each) as done:
        corpus.follow()
        assert done.count("apply") == 4
    assert not is_followed(staff)
    corpus.follow()
    assert is_followed(staff)
