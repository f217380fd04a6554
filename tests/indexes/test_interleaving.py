"""Searches, the background and writers in threads of one process that pause wherever one may
overtake another; afterwards every reply is held against the log of what was given and taken away.
"""

import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from indexes.catalog.prepared import Prepared
from indexes.derived.indexes import DerivedIndexes
from indexes.derived.keywords.index import KeywordIndex
from indexes.derived.vectors.faiss_store import FaissStore
from indexes.model import Principal, Readers
from tests.attack.hammer import Change, HammerReply, wrong_replies
from tests.world import MODES, TESTER, World

SEED = int(os.environ.get("CLEARANCE_TEST_SEED", "1"))
SECONDS = float(os.environ.get("ATTACK_SECONDS", "6"))
GROUPS, DOCUMENTS = 2, 4
WHERE_ONE_MAY_OVERTAKE = (
    (Prepared, ("rows",)),
    (
        DerivedIndexes,
        (
            "reader_sets_behind",
            "documents_behind",
            "compute_changes",
            "apply",
            "note_followed",
            "note_seen",
            "last_change",
        ),
    ),
    (FaissStore, ("nearest",)),
    (KeywordIndex, ("rank",)),
)


def pause(rng: random.Random) -> None:
    if rng.random() < 0.1:
        time.sleep(rng.random() * 0.01)


def with_pauses(inner: Callable[..., Any], rng: random.Random) -> Callable[..., Any]:
    def paused(*args: Any, **named: Any) -> Any:
        pause(rng)
        result = inner(*args, **named)
        pause(rng)
        return result

    return paused


@pytest.fixture
def busy(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Documents of two groups that are in other groups, and pauses."""
    for number in range(GROUPS):
        world.people(**{f"caller{number}": [f"inner{number}"]})
        world.catalog.people.add_group(f"outer{number}", by=TESTER)
        world.catalog.people.add_member(f"outer{number}", f"group:inner{number}", by=TESTER)
        for name in names(number):
            text = " ".join(f"{name}of{place}" for place in range(20))
            world.put(name, f"The hammer report {text}", f"group:outer{number}")
    rng = random.Random(SEED)
    for owner, methods in WHERE_ONE_MAY_OVERTAKE:
        for method in methods:
            monkeypatch.setattr(owner, method, with_pauses(getattr(owner, method), rng))
    return world


def names(number: int) -> list[str]:
    return [f"zqw{number}n{each}x" for each in range(DOCUMENTS)]


@pytest.mark.slow
def test_whatever_overtakes_what_a_reply_shows_what_was_given_and_not_what_was_taken(
    busy: World,
) -> None:
    stop = Event()
    searches = [(number, seed) for number in range(GROUPS) for seed in range(2)]
    with ThreadPoolExecutor(2 * GROUPS + len(searches)) as threads:
        written = [threads.submit(write, busy, number, stop) for number in range(GROUPS)]
        heard = [threads.submit(search, busy, *each, stop) for each in searches]
        background = threads.submit(follow, busy, stop)
        stop.wait(SECONDS)
        stop.set()
        background.result(60)
        changes = [each.result(60) for each in written]
        replies = [each.result(60) for each in heard]
    for (number, _), some in zip(searches, replies, strict=True):
        assert wrong_replies(changes[number], some) == []
    status = busy.searcher.status()
    assert (status.alarms, status.discarded) == (0, 0), "nothing was wrong with the indexes"
    assert min(map(len, changes)) > 10
    assert min(map(len, replies)) > 10


def write(world: World, number: int, stop: Event) -> list[Change]:
    """Give and take away until told to stop, and say when what was done."""
    rng, changes = random.Random(SEED + number), list[Change]()
    while not stop.is_set():
        touched, ways = way_to_take_away(world, number, rng)
        for readable, step in zip((False, True), ways, strict=True):
            begun = time.monotonic()
            step()
            acknowledged = time.monotonic()
            changes += [Change(name, readable, begun, acknowledged) for name in touched]
            time.sleep(rng.random() * 0.03)
    return changes


Step = Callable[[], object]


def way_to_take_away(
    world: World, number: int, rng: random.Random
) -> tuple[list[str], tuple[Step, Step]]:
    """What is touched; what takes it away, and what gives it back."""
    people, documents = world.catalog.people, world.catalog.documents
    way = rng.choice(("one", "all", "leave", "leave outer"))
    touched = [rng.choice(names(number))] if way == "one" else names(number)

    def relabel(to: str) -> Step:
        readers = Readers(allow=frozenset({to}))
        return lambda: [documents.relabel(name, readers, by=TESTER) for name in touched]

    if way in ("one", "all"):
        return touched, (relabel("user:nobody"), relabel(f"group:outer{number}"))
    inner, caller = f"inner{number}", f"user:caller{number}"
    left, who = (inner, caller) if way == "leave" else (f"outer{number}", f"group:{inner}")
    return touched, (
        lambda: people.remove_member(left, who, by=TESTER),
        lambda: people.add_member(left, who, by=TESTER),
    )


def search(world: World, number: int, seed: int, stop: Event) -> list[HammerReply]:
    rng, replies = random.Random(SEED + 10 * number + seed), list[HammerReply]()
    caller = Principal(name=f"user:caller{number}")
    while not stop.is_set():
        mode, begun = rng.choice(MODES), time.monotonic()
        found = world.searcher.search("the hammer report", caller, 50, mode=mode)
        words = frozenset(hit.title for hit in found.hits)
        replies.append(HammerReply(f"search {mode}", begun, time.monotonic(), words, True))
    return replies


def follow(world: World, stop: Event) -> None:
    while not stop.is_set():
        world.searcher.corpus.follow(stop.is_set)
        world.searcher.corpus.maintenance.run(stop.is_set)
        stop.wait(0.1)
