"""What a leak test tries, one check after another: doors, interference, revocation, time."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from indexes.catalog import Catalog
from indexes.errors import ClearanceError
from service.leaktest.canaries import Canaries, Identity, random_word
from service.leaktest.client import Client, PreparedRequest
from service.leaktest.comparing import (
    ObservedReply,
    describe_first_difference,
    find_words,
    make_comparable,
)
from service.leaktest.doors import (
    HOSTILE_FILTERS,
    MODES,
    PLAIN_FILTERS,
    Call,
    Knowledge,
    make_calls,
)
from service.leaktest.report import LeakReport, TimeComparison
from service.leaktest.statistics import measure_separation

HIDDEN = 6  # canaries that the outsider may not read
# a difference that others have caused, in a service in use, does not come back each time
ATTEMPTS = 3
ROUNDS = 5  # of revocation

_Before = Callable[[bool], None]
_Asked = Callable[[bool], PreparedRequest]


class NothingToSee(ClearanceError):
    """The leak test would find nothing, whatever leaked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Canaries in their places, and who looks for them."""

    canaries: Canaries
    client: Client
    insider: Identity  # may read everything here
    outsider: Identity
    shared: str  # a word of what both may read and of what only the insider may read
    word: str  # a word of hidden canaries alone
    ids: tuple[str, ...]  # public ids of hidden canaries
    models: bool = False  # whether language models are asked more than once

    @property
    def question(self) -> str:
        return f"{self.shared} {self.word} report"

    @property
    def everybody(self) -> tuple[str, str]:
        return f"user:{self.insider.name}", f"user:{self.outsider.name}"

    def outsider_knowledge(self) -> Knowledge:
        """What the outsider may have heard of."""
        own = (
            {"collection": self.canaries.mark},
            {"path_prefix": "leaktest/"},
            {"metadata": {"author": self.word}},
        )
        return Knowledge(
            questions=(self.question, self.shared),
            documents=self.ids[:2],
            passages=self.ids[-2:],
            filters=(*own, *PLAIN_FILTERS, *HOSTILE_FILTERS),
        )

    def list_calls(self, *, models: bool) -> list[Call]:
        return [
            call
            for call in make_calls(self.outsider_knowledge())
            if models or not call.asks_a_model
        ]

    def ask(self, call: Call, who: Identity) -> ObservedReply:
        return self.client.answer(call, who.key)


def set_scene(canaries: Canaries, client: Client, *, models: bool) -> Scene:
    """Makes the people and the documents. Raises NothingToSee if even the insider finds nothing."""
    insider, outsider = (
        canaries.add_person("insider", canaries.group),
        canaries.add_person("outsider"),
    )
    shared, word = random_word(), random_word()
    everybody = f"user:{insider.name}", f"user:{outsider.name}"
    for number in range(3):
        canaries.put(
            f"open{number}",
            f"The {shared} report, part {number}, is for everybody here.",
            *everybody,
        )
    ids = [put_hidden(canaries, number, f"{shared} {word}") for number in range(HIDDEN)]
    made = Scene(
        canaries=canaries,
        client=client,
        insider=insider,
        outsider=outsider,
        shared=shared,
        word=word,
        ids=tuple(ids),
        models=models,
    )
    search = Call(
        door="search",
        route="POST /search",
        path="/search",
        body={"question": made.question, "k": 10},
    )
    if not find_words(made.ask(search, insider).body, [word]):
        raise NothingToSee(
            "The insider does not find its own canary.", remedy="Is it the service of this home?"
        )
    if not find_words(made.ask(search, outsider).body, [shared]):
        raise NothingToSee(
            "The outsider does not find what it may read.", remedy="Is it the service of this home?"
        )
    return made


def put_hidden(canaries: Canaries, number: int, words: str, readers: str | None = None) -> str:
    """One hidden canary, with metadata that a careless filter stumbles over."""
    return canaries.put(
        f"hidden{number}",
        f"The {words} report {number} says that {words} falls.",
        readers or f"group:{canaries.group}",
        collection=canaries.mark,
        metadata={"author": f"Bob {words}", "a\\": number, "size": "three"},
    )


def look_through_every_door(here: Scene, report: LeakReport) -> None:
    """Whether a word or an id of a hidden canary stands in any byte that the outsider gets; and no
    door breaks.
    """
    found = []
    asked = here.list_calls(models=True)
    for call in asked:
        answered = here.ask(call, here.outsider)
        sent = f"{call.path} {call.body!r}"
        looked_for = [
            word for word in (here.word, *here.ids, here.canaries.group) if word not in sent
        ]
        found += [
            (call.door, f"it tells {word}")
            for word in find_words(_bytes_of_reply(answered), looked_for)
        ]
        if call.path != "/whoami" and answered.status == 500:
            found.append((call.door, "it breaks (status 500)"))
    report.add("doors", len(asked), found)


def compare_before_and_after(here: Scene, report: LeakReport) -> None:
    """Whether hidden canaries that come, change, move and go change one byte of what the outsider
    gets.
    """
    asked = here.list_calls(models=here.models)
    steady = _find_steady_calls(here, asked)
    report.unsteady = sorted({call.door for call in asked} - {call.door for call in steady})
    before = _ask_all(here, steady)
    for what, change in _HiddenChanges(here).by_description().items():
        parted = _find_changed_replies(here, steady, before, change)
        found = [
            (door, f"{what}: {describe_first_difference(*pair)}") for door, pair in parted.items()
        ]
        report.add("interference", len(steady), found)


def _find_changed_replies(
    here: Scene, steady: Sequence[Call], before: dict[str, bytes], change: Callable[[], None]
) -> dict[str, tuple[bytes, bytes]]:
    """Replies before and after a hidden change, by door, that differ each time that it is made.

    before: the latest reply of each door; it is kept up to date.
    """
    asked, parted = steady, dict[str, tuple[bytes, bytes]]()
    for _ in range(ATTEMPTS):
        change()
        after = _ask_all(here, asked)
        parted = {
            door: (before[door], reply) for door, reply in after.items() if before[door] != reply
        }
        before.update(after)
        asked = [call for call in asked if call.door in parted]
        if not asked:
            break
    return parted


class _HiddenChanges:
    """Each can be made again, and is another change then."""

    def __init__(self, here: Scene) -> None:
        self._made, self._words = here.canaries, f"{here.shared} {here.word}"
        self._insider = f"user:{here.insider.name}"
        self._readers = f"group:{here.canaries.group}"
        self._numbers = iter(range(100, 1_000_000))

    def by_description(self) -> Mapping[str, Callable[[], None]]:
        return {
            "one was added": self._add_one,
            "one was rewritten": self._rewrite_one,
            "two were moved": self._move_two,
            "some were removed": self._remove_some,
            "somebody joined their readers": self._add_reader,
            "twenty were added": self._add_many,
        }

    def _add_one(self) -> None:
        put_hidden(self._made, next(self._numbers), self._words)

    def _rewrite_one(self) -> None:
        put_hidden(self._made, 0, f"{self._words} {random_word()}")

    def _move_two(self) -> None:
        put_hidden(self._made, 0, self._words, random.choice((self._readers, self._insider)))
        for readers in (self._insider, self._readers):
            for number in (0, 1):
                self._made.relabel(f"hidden{number}", readers)

    def _remove_some(self) -> None:
        self._made.remove(f"hidden{next(self._numbers) - 1}")
        self._made.remove("hidden2")
        put_hidden(self._made, 2, self._words)
        self._made.remove("hidden3")

    def _add_reader(self) -> None:
        self._made.add_person(f"guest{next(self._numbers)}", self._made.group)

    def _add_many(self) -> None:
        for _ in range(20):
            put_hidden(self._made, next(self._numbers), f"{self._words} {random_word()}")


def _find_steady_calls(here: Scene, asked: Sequence[Call]) -> list[Call]:
    first, second = _ask_all(here, asked), _ask_all(here, asked)
    return [call for call in asked if first[call.door] == second[call.door]]


def _ask_all(here: Scene, asked: Sequence[Call]) -> dict[str, bytes]:
    return {call.door: make_comparable(here.ask(call, here.outsider)) for call in asked}


def check_revocation(here: Scene, report: LeakReport) -> None:
    """Whether what was taken away is gone at the very next request."""
    found: list[tuple[str, str]] = []
    rounds = 0
    for number in range(ROUNDS):
        for way in ("relabel", "group", "remove", "key", "person"):
            rounds += 1
            found += [
                (door, f"after {way}")
                for door in _find_doors_still_open(here, way, f"{way}{number}")
            ]
    report.add("revocation", rounds, found)


def _find_doors_still_open(here: Scene, way: str, name: str) -> list[str]:
    """Doors at which somebody still gets a document after it was taken away in this way."""
    made, word = here.canaries, random_word()
    person = made.add_person(f"{name}-reader", made.group)
    document = made.put(
        name, f"The {word} report.", f"group:{made.group}", f"user:{here.insider.name}"
    )
    doors = _list_doors_of_document(document, f"{word} report")
    closed = [call.door for call in doors if not _holds_document(here.ask(call, person), word)]
    if "document" in closed:
        raise NothingToSee("Somebody does not get a document that was just given to them.")
    _take_away(here, way, name, person)
    return [call.door for call in doors if _holds_document(here.ask(call, person), word)]


def _list_doors_of_document(document: str, question: str) -> list[Call]:
    """Ways to see this document, which the question finds."""
    searches = [
        Call(
            door=f"search {mode}",
            route="POST /search",
            path="/search",
            body={"question": question, "mode": mode},
        )
        for mode in MODES
    ]
    ask = {"question": question, "answerer": "quotes", "stream": True}
    return [
        *searches,
        Call(door="document", route="GET /documents/{document_id}", path=f"/documents/{document}"),
        Call(door="stream", route="POST /ask", path="/ask", body=ask),
    ]


def _take_away(here: Scene, way: str, name: str, person: Identity) -> None:
    """The document of this name from this person, who reads it as one of the group."""
    made = here.canaries
    if way == "relabel":
        made.relabel(name, f"user:{here.insider.name}")
    elif way == "group":
        made.catalog.people.remove_member(made.group, f"user:{person.name}", by=made.by)
    elif way == "remove":
        made.remove(name)
    elif way == "key":
        made.catalog.keys.revoke(person.key_id, by=made.by)
    else:
        made.catalog.people.remove_user(person.name, by=made.by)


def _holds_document(answered: ObservedReply, word: str) -> bool:
    """Whether more than the question comes back."""
    return answered.status == 200 and bool(find_words(answered.body, [f"The {word} report"]))


def measure_time(here: Scene, report: LeakReport, unrelated: Catalog, pairs: int) -> None:
    """Whether how long the outsider waits depends on what is hidden from it."""
    asks = _Asks(here, unrelated)
    comparisons: list[tuple[str, float, _Before, _Asked]] = [
        ("a search after a hidden write", 0.60, asks.write_document, asks.search),
        ("/readyz after a hidden write", 0.60, asks.write_document, asks.look_whether_ready),
        ("opening what is hidden", 0.55, asks.write_nothing, asks.open_document),
        ("a filter that matches what is hidden", 0.55, asks.write_nothing, asks.search_filtered),
    ]
    for what, aim, before, request in comparisons:
        taken = _measure_durations(here.client, before, request, pairs)
        found, control = (
            measure_separation(taken[kind], taken["control"]) for kind in ("hidden", "again")
        )
        report.timed.append(TimeComparison(what=what, aim=aim, found=found, control=control))
        above = found.is_above(aim) and not control.is_above(aim)
        report.add("time", pairs, [(what, str(found))] if above else [])


class _Asks:
    """What the outsider asks for, and what is written before. hidden: the one that is measured; or
    else its control, which has nothing to do with anything hidden.
    """

    def __init__(self, here: Scene, unrelated: Catalog) -> None:
        self._here, self._unrelated = here, unrelated
        self._numbers = count()

    def write_nothing(self, hidden: bool) -> None: ...

    def write_document(self, hidden: bool) -> None:
        words = f"{self._here.shared} {self._here.word}"
        self._here.canaries.put(
            f"timed{next(self._numbers) % 20}",
            f"The {words} report says that {words} falls.",
            f"group:{self._here.canaries.group}",
            catalog=None if hidden else self._unrelated,
        )

    def search(self, hidden: bool) -> PreparedRequest:
        return self._prepare("POST /search", "/search", self._question())

    def search_filtered(self, hidden: bool) -> PreparedRequest:
        mark = self._here.canaries.mark
        filters = {"collection": mark if hidden else mark[::-1]}
        return self._prepare("POST /search", "/search", {**self._question(), "filters": filters})

    def open_document(self, hidden: bool) -> PreparedRequest:
        name = random.choice(self._here.ids) if hidden else random_word(20)
        return self._prepare("GET /documents/{document_id}", f"/documents/{name}")

    def look_whether_ready(self, hidden: bool) -> PreparedRequest:
        return self._here.client.prepare(Call(door="", route="GET /readyz", path="/readyz"), None)

    def _question(self) -> dict[str, Any]:
        return {"question": self._here.question, "mode": "keyword"}

    def _prepare(
        self, route: str, path: str, body: dict[str, Any] | None = None
    ) -> PreparedRequest:
        call = Call(door="", route=route, path=path, body=body)
        return self._here.client.prepare(call, self._here.outsider.key)


def _measure_durations(
    client: Client,
    before: _Before,
    request: _Asked,
    pairs: int,
) -> dict[str, list[float]]:
    """Milliseconds, in random order: with something hidden, without, and without once more."""
    taken: dict[str, list[float]] = {"hidden": [], "control": [], "again": []}
    for _ in range(pairs):
        for kind in random.sample(list(taken), 3):
            before(kind == "hidden")
            _, seconds = client.send(request(kind == "hidden"))
            taken[kind].append(seconds * 1e3)
            client.send(request(False))
    return taken


def _bytes_of_reply(answered: ObservedReply) -> bytes:
    return repr(dict(answered.headers)).encode() + answered.body
