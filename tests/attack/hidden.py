"""Changes to what the attackers may not read, of every sort there is, and changes to what they may
read.

A change is a value: the same one can be made in two installations, or in one of them only.
"""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from indexes.catalog.template_choice import TemplateText
from indexes.errors import ClearanceError
from indexes.model import Readers
from tests.world import TESTER, World

CANARY = "zqcanaryx7"  # stands in hidden documents and nowhere else
VAULT = "zqvaultx7"  # the name of a language model that is not for the attackers
QUESTIONS = ("alpha salary budget of the quarter", "beta", "预算 salary", "canteen")
WORDS = (
    "alpha",
    "beta",
    "salary",
    "budget",
    "canteen",
    "quarter",
    "预算",
    "the",
    "of",
    "rises",
    "falls",
)
HIDDEN = (
    ("group:board",),
    ("user:bob",),
    (),
    ("group:board", "user:bob"),
    ("group:vault",),
    ("group:unheard-of",),
)
DENIED = (("group:staff",), ("user:eve", "user:nil", "user:root"))
VISIBLE = (("group:staff",), ("public",), ("user:eve",), ("group:staff", "group:board"))
_PATHS_AND_IDS = re.compile(rb'"(?:path|id)":"(?:[^"\\]|\\.)*"')
METADATA: tuple[dict[str, Any], ...] = (
    {},
    {"a\\": 1},
    {'a"': "x", "a.b[0]": True},
    {"author": "Bob Smith", "size": 3},
    {"author": CANARY, "size": "three", "draft": "no"},
    {"author": "\ud7ff'; --", "$": 0.5, " ": "x"},
    {"size": 2**53, "author": 1e300},
)
MOMENTS = (
    None,
    datetime(2026, 3, 1, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, tzinfo=UTC),
)


@dataclass(frozen=True, slots=True)
class Change:
    """One change; `n` picks what it is done to, `seed` everything else about it."""

    kind: str
    n: int
    seed: int

    def made_in(self, world: World) -> None:
        """What cannot be done in the present state is passed over, as a command would refuse it."""
        with suppress(ClearanceError):
            (SECRETLY | OPENLY)[self.kind](world, self.n, random.Random(self.seed))


def hidden_batch(rng: random.Random, most: int = 30) -> list[Change]:
    kinds = list(SECRETLY)
    return [
        Change(rng.choice(kinds), rng.randrange(8), rng.getrandbits(32))
        for _ in range(rng.randint(1, most))
    ]


def open_change(rng: random.Random) -> Change:
    return Change(rng.choice(list(OPENLY)), rng.randrange(8), rng.getrandbits(32))


@contextmanager
def same_chance(seed: int) -> Iterator[None]:
    """While the block runs, ids and tokens come out of this seed, so that two installations make
    the same ones.
    """
    source = random.Random(seed)
    before = random._urandom  # type: ignore[attr-defined]
    random._urandom = source.randbytes  # type: ignore[attr-defined]
    try:
        yield
    finally:
        random._urandom = before  # type: ignore[attr-defined]


def without_what_operators_go_by(route: str, content: bytes) -> bytes:
    """A reply without paths and ids of documents, if it is the list of operators: it is made of them."""
    return _PATHS_AND_IDS.sub(b"", content) if route == "GET /admin/documents" else content


# --- hidden -------------------------------------------------------------------------------------


def _put(world: World, n: int, rng: random.Random) -> None:
    texts = [f"{CANARY} {_words(rng)}" for _ in range(rng.randint(1, 4))]
    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] = rng.choice(HIDDEN)
    if rng.random() < 0.2:
        allow, deny = ("group:staff", "public"), rng.choice(DENIED)
        if "public" in allow and deny == ("group:staff",):
            allow = ("group:staff",)
    world.put(
        f"hidden{n}",
        texts,
        *allow,
        deny=deny,
        title=f"{CANARY} {_words(rng)}",
        path=f"mix/{CANARY}/{n}.txt",
        collection=rng.choice(("default", CANARY)),
        language=rng.choice(("en", "zh", None)),
        media_type=rng.choice(("text/plain", "application/pdf")),
        modified_at=rng.choice(MOMENTS),
        metadata=rng.choice(METADATA),
    )


def _relabel(world: World, n: int, rng: random.Random) -> None:
    world.relabel(f"hidden{n}", *rng.choice(HIDDEN))


def _relabel_two_to_one_set(world: World, n: int, rng: random.Random) -> None:
    readers = rng.choice(HIDDEN)
    for number in rng.sample(range(8), 2):
        world.relabel(f"hidden{number}", *readers)


def _edit_and_relabel(world: World, n: int, rng: random.Random) -> None:
    _put(world, n, rng)
    _relabel_two_to_one_set(world, n, rng)


def _delete(world: World, n: int, rng: random.Random) -> None:
    world.catalog.documents.delete(f"hidden{n}", by=TESTER)


def _put_back(world: World, n: int, rng: random.Random) -> None:
    _delete(world, n, rng)
    _put(world, n, rng)


def _burst(world: World, n: int, rng: random.Random) -> None:
    for number in range(8, 8 + rng.randint(10, 40)):
        world.put(f"hidden{number}", f"{CANARY} {_words(rng)}", *rng.choice(HIDDEN))


def _join(world: World, n: int, rng: random.Random) -> None:
    group = rng.choice(("board", "vault", "cellar"))
    world.catalog.people.add_member(
        group, rng.choice(("user:bob", "user:kim", "group:cellar", "group:vault")), by=TESTER
    )


def _leave(world: World, n: int, rng: random.Random) -> None:
    world.catalog.people.remove_member(
        rng.choice(("board", "vault")), rng.choice(("user:bob", "user:kim")), by=TESTER
    )


def _new_person(world: World, n: int, rng: random.Random) -> None:
    world.catalog.people.add_user(f"guest{n}", by=TESTER)
    world.catalog.people.add_member(rng.choice(("board", "vault")), f"user:guest{n}", by=TESTER)
    world.catalog.keys.issue(f"guest{n}", by=TESTER)


def _gone_person(world: World, n: int, rng: random.Random) -> None:
    world.catalog.people.remove_user(f"guest{n}", by=TESTER)


def _new_group(world: World, n: int, rng: random.Random) -> None:
    world.catalog.people.add_group(f"circle{n}", by=TESTER)
    world.catalog.people.add_member(f"circle{n}", "group:board", by=TESTER)


def _gone_group(world: World, n: int, rng: random.Random) -> None:
    world.catalog.people.remove_group(f"circle{n}", by=TESTER)


def _template(world: World, n: int, rng: random.Random) -> None:
    name, kept = f"secret{n % 2}", world.catalog.templates
    said = TemplateText(
        variables=(), system=f"{CANARY} {{{{ no_answer }}}}", user="{{ question }}", no_answer="No."
    )
    readers = Readers(allow=frozenset({"group:board"}))
    version = kept.save(name, "chat", "en", said, readers, by=TESTER).version
    kept.activate(
        name,
        version,
        audience=rng.choice(("name", "default", "group:board", "user:bob")),
        by=TESTER,
    )


def _model_rule(world: World, n: int, rng: random.Random) -> None:
    world.catalog.models.set(VAULT, Readers(allow=frozenset(rng.choice(HIDDEN))), by=TESTER)


SECRETLY: dict[str, Callable[[World, int, random.Random], None]] = {
    "put": _put,
    "relabel": _relabel,
    "relabel two to one set": _relabel_two_to_one_set,
    "edit and relabel": _edit_and_relabel,
    "delete": _delete,
    "put back": _put_back,
    "burst": _burst,
    "join": _join,
    "leave": _leave,
    "new person": _new_person,
    "gone person": _gone_person,
    "new group": _new_group,
    "gone group": _gone_group,
    "template": _template,
    "model rule": _model_rule,
}


# --- visible ------------------------------------------------------------------------------------


def _put_openly(world: World, n: int, rng: random.Random) -> None:
    texts = [_words(rng) for _ in range(rng.randint(1, 4))]
    world.put(
        f"open{n}",
        texts,
        *rng.choice(VISIBLE),
        path=f"mix/open/{n}.txt",
        language=rng.choice(("en", "zh")),
        modified_at=rng.choice(MOMENTS),
        metadata=rng.choice(({}, {"author": "Ann", "size": 3, "draft": False})),
    )


def _relabel_openly(world: World, n: int, rng: random.Random) -> None:
    world.relabel(f"open{n}", *rng.choice((*VISIBLE, ("group:board",))))


def _two_openly(world: World, n: int, rng: random.Random) -> None:
    _put_openly(world, n, rng)
    readers = rng.choice(VISIBLE)
    for number in rng.sample(range(8), 2):
        world.relabel(f"open{number}", *readers)


def _delete_openly(world: World, n: int, rng: random.Random) -> None:
    world.catalog.documents.delete(f"open{n}", by=TESTER)


OPENLY: dict[str, Callable[[World, int, random.Random], None]] = {
    "put openly": _put_openly,
    "relabel openly": _relabel_openly,
    "two openly": _two_openly,
    "delete openly": _delete_openly,
}


def _words(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 14)))
