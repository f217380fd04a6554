"""Rights are given and taken away by other processes while callers ask; afterwards every reply is
held against the log.

A reply that began after a right was taken away, as acknowledged, must not hold the document; one
that began after it was given must. Moments are of the clock that all processes of a machine share.
"""

import multiprocessing
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread

from indexes.catalog import Catalog
from indexes.errors import ClearanceError
from indexes.model import Readers
from service.leaktest.client import Client
from service.leaktest.doors import MODES, Call
from tests.databases import catalog_at
from tests.world import TESTER, World

DOCUMENTS = 4  # of each writer
WORD = re.compile(rb"zqw\d+n\d+x")
PROCESS = multiprocessing.get_context("spawn")


Steps = tuple[Callable[[], object], Callable[[], object]]
"""What takes a right away, and what gives it back."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one document's word: it begins at one moment and is acknowledged at another."""

    word: str
    readable: bool
    begun: float
    acknowledged: float


@dataclass(frozen=True, slots=True)
class HammerReply:
    door: str
    begun: float
    ended: float
    words: frozenset[str]
    whole: bool  # whether it shows everything that the caller may read


def word(writer: int, number: int) -> str:
    return f"zqw{writer}n{number}x"


def prepare(home: Path, writers: int) -> tuple[list[str], dict[str, str]]:
    """A key for the caller of each writer, and the public ids by word.

    In the beginning all is readable.
    """
    world = World(home)
    keys, ids = [], {}
    for writer in range(writers):
        world.people(**{f"caller{writer}": [f"inner{writer}"]})
        world.catalog.people.add_group(f"outer{writer}", by=TESTER)
        world.catalog.people.add_member(f"outer{writer}", f"group:inner{writer}", by=TESTER)
        keys.append(world.catalog.keys.issue(f"caller{writer}", by=TESTER).secret)
        for number in range(DOCUMENTS):
            name = word(writer, number)
            ids[name] = world.put(name, _text(name, number), f"group:outer{writer}")
    world.close()
    return keys, ids


def _text(name: str, number: int) -> str:
    """Unlike all others, so that no two are taken for copies of each other."""
    return f"The hammer report {name}: " + " ".join(f"part{number}of{place}" for place in range(20))


def write(
    url: str, catalog_url: str, writer: int, seconds: float, seed: int, told: Connection
) -> None:
    """One process that gives and takes, and tells what it did; and what it saw of keys that were
    revoked.
    """
    rng, catalog = random.Random(seed), Catalog.open(catalog_url)
    changes: list[Change] = []
    wrong: list[str] = []
    end = time.monotonic() + seconds
    with Client(url) as client:
        turn = 0
        while time.monotonic() < end:
            turn += 1
            if turn % 5 == 0:
                wrong += _short_life(client, catalog, writer, turn)
            changes += _take_and_give(catalog, writer, rng)
    told.send((changes, wrong))
    catalog.close()


def _take_and_give(catalog: Catalog, writer: int, rng: random.Random) -> Iterator[Change]:
    names = [word(writer, number) for number in range(DOCUMENTS)]
    way = rng.choice(("relabel", "relabel", "relabel all", "leave", "leave outer"))
    group, person = f"inner{writer}", f"user:caller{writer}"
    touched = [rng.choice(names)] if way == "relabel" else names
    people = catalog.people
    taken_and_given: dict[str, Steps] = {
        "leave": (
            lambda: people.remove_member(group, person, by=TESTER),
            lambda: people.add_member(group, person, by=TESTER),
        ),
        "leave outer": (
            lambda: people.remove_member(f"outer{writer}", f"group:{group}", by=TESTER),
            lambda: people.add_member(f"outer{writer}", f"group:{group}", by=TESTER),
        ),
    }
    relabelled: Steps = (
        lambda: _relabel(catalog, touched, "user:nobody"),
        lambda: _relabel(catalog, touched, f"group:outer{writer}"),
    )
    steps = taken_and_given.get(way, relabelled)
    for readable, step in zip((False, True), steps, strict=True):
        begun = time.monotonic()
        step()
        acknowledged = time.monotonic()
        yield from (Change(name, readable, begun, acknowledged) for name in touched)
        time.sleep(rng.random() * 0.03)


def _relabel(catalog: Catalog, names: Sequence[str], allow: str) -> None:
    for name in names:
        catalog.documents.relabel(name, Readers(allow=frozenset({allow})), by=TESTER)


def _short_life(client: Client, catalog: Catalog, writer: int, turn: int) -> list[str]:
    """A person who comes, asks, loses the key or goes, and comes back under the same name."""
    name, wrong = f"guest{writer}", []
    search = Call(
        door="",
        route="POST /search",
        path="/search",
        body={"question": "hammer report", "mode": "keyword"},
    )
    with suppress(ClearanceError):
        catalog.people.remove_user(name, by=TESTER)
    catalog.people.add_user(name, by=TESTER)
    catalog.people.add_member(f"inner{writer}", f"user:{name}", by=TESTER)
    key = catalog.keys.issue(name, by=TESTER)
    if client.answer(search, key.secret).status != 200:
        wrong.append("a new key is refused")
    if turn % 2:
        catalog.keys.revoke(key.id, by=TESTER)
    else:
        catalog.people.remove_user(name, by=TESTER)
        catalog.people.add_user(name, by=TESTER)
    if (status := client.answer(search, key.secret).status) != 401:
        wrong.append(f"a key that was taken away is answered {status}")
    again = client.answer(search, catalog.keys.issue(name, by=TESTER).secret)
    if turn % 2 == 0 and WORD.search(again.body):
        wrong.append("a person made anew reads what the one before read")
    return wrong


def ask(
    url: str,
    key: str,
    ids: Sequence[tuple[str, str]],
    seconds: float,
    seed: int,
    replies: list[HammerReply],
) -> None:
    """One caller, through one door after another."""
    rng, question = random.Random(seed), "the hammer report"
    end = time.monotonic() + seconds
    doors: list[tuple[str, Call, bool]] = []
    for mode in MODES:
        body = {"question": question, "mode": mode, "k": 50}
        doors.append(
            (f"search {mode}", Call(door="", route="POST /search", path="/search", body=body), True)
        )
    for stream in (False, True):
        body = {"question": question, "answerer": "quotes", "k": 50, "stream": stream}
        doors.append(
            (f"ask {stream}", Call(door="", route="POST /ask", path="/ask", body=body), False)
        )
    for name, public_id in ids:
        call = Call(door="", route="GET /documents/{document_id}", path=f"/documents/{public_id}")
        doors.append((f"document {name}", call, False))
    with Client(url) as client:
        while time.monotonic() < end:
            door, call, whole = rng.choice(doors)
            begun = time.monotonic()
            answered = client.answer(call, key)
            ended = time.monotonic()
            if answered.status >= 500:
                replies.append(
                    HammerReply(
                        f"{door}: status {answered.status}",
                        begun,
                        ended,
                        frozenset({"an error"}),
                        False,
                    )
                )
                continue
            words = frozenset(found.decode() for found in WORD.findall(answered.body))
            replies.append(HammerReply(door, begun, ended, words, whole and answered.status == 200))


def wrong_replies(changes: Sequence[Change], replies: Sequence[HammerReply]) -> list[str]:
    """Replies that hold what was taken away before they began, or lack what had been given."""
    by_word: dict[str, list[Change]] = {}
    for change in sorted(changes, key=lambda each: each.begun):
        by_word.setdefault(change.word, []).append(change)
    found = []
    for reply in replies:
        if "an error" in reply.words:
            found.append(reply.door)
        for name, history in by_word.items():
            settled = [change for change in history if change.acknowledged <= reply.begun]
            meanwhile = [
                change
                for change in history
                if reply.begun < change.acknowledged and change.begun <= reply.ended
            ]
            if meanwhile:
                continue  # either answer is right
            readable = settled[-1].readable if settled else True
            if name in reply.words and not readable:
                found.append(f"{reply.door} tells {name}, which was taken away")
            elif reply.whole and readable and name not in reply.words:
                found.append(f"{reply.door} lacks {name}, which had been given")
            else:
                continue
            print(f"{found[-1]}\n{_account(reply, by_word)}")
    return found


def _account(reply: HammerReply, by_word: dict[str, list[Change]]) -> str:
    """A wrong reply and what happened around it, in seconds from its beginning, to find out why."""
    lines = [f"It said {sorted(reply.words)} after {reply.ended - reply.begun:.3f} s."]
    for name, history in by_word.items():
        lines += [
            f"{name} {'given' if change.readable else 'taken'}"
            f" {change.begun - reply.begun:.3f} to {change.acknowledged - reply.begun:.3f}"
            for change in history
            if change.acknowledged > reply.begun - 1 and change.begun < reply.ended
        ]
    return "\n".join(lines)


def hammer(
    url: str, home: Path, keys: Sequence[str], ids: dict[str, str], seconds: float, seed: int
) -> list[str]:
    """Everything that went wrong. One writing process and two callers for each key."""
    catalog_url = catalog_at(home) or f"sqlite:///{home / 'catalog.sqlite'}"
    pipes = [PROCESS.Pipe(duplex=False) for _ in keys]
    processes = [
        PROCESS.Process(
            target=write, args=(url, catalog_url, number, seconds, seed + number, pipe[1])
        )
        for number, pipe in enumerate(pipes)
    ]
    replies: list[list[HammerReply]] = [[] for _ in range(2 * len(keys))]
    callers = []
    for number, heard in enumerate(replies):
        writer = number // 2
        own = [
            (name, public_id) for name, public_id in ids.items() if name.startswith(f"zqw{writer}n")
        ]
        given = (url, keys[writer], own, seconds + 3, seed + 100 + number, heard)
        callers.append(Thread(target=ask, args=given))
    for process in processes:
        process.start()
    for caller in callers:
        caller.start()
    found: list[str] = []
    changes: list[Change] = []
    for pipe in pipes:
        made, wrong = pipe[0].recv()
        changes += made
        found += wrong
    for process in processes:
        process.join()
    for caller in callers:
        caller.join()
    if not changes or not any(replies):
        found.append("nothing was tried")
    for number, heard in enumerate(replies):
        mine = [change for change in changes if change.word.startswith(f"zqw{number // 2}n")]
        found += wrong_replies(mine, heard)
    return found
