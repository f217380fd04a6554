"""Two services on two homes that differ in hidden documents only, and the comparison of all that
they say.
"""

import hashlib
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from starlette.testclient import TestClient

from indexes.model import Readers
from service.app import create_app
from service.leaktest.comparing import (
    ObservedReply,
    describe_first_difference,
    find_words,
    make_comparable,
)
from service.leaktest.doors import Call, Knowledge, make_calls
from service.llm.port import Prompt
from service.testing.models import ScriptedModel, ScriptedModels
from tests.attack.hidden import CANARY, HIDDEN, QUESTIONS, VAULT, Change, same_chance
from tests.world import TESTER, World

ATTACKERS = {"eve": ("staff",), "nil": (), "root": ()}
"""Their groups.

Eve reads what staff may read; nil only what is public; root administers and reads no more than nil.
"""

USERS = {**ATTACKERS, "bob": ("board",), "kim": ("vault",)}


def talkative(prompt: Prompt) -> str:
    """An answer that depends on every byte of the prompt, and repeats some of it."""
    return f"Seen {hashlib.sha256(repr(prompt).encode()).hexdigest()[:12]} [1]. {repr(prompt)[-200:]} [2]."


@dataclass
class Twin:
    """One of the two services."""

    world: World
    app: FastAPI
    http: TestClient
    models: tuple[ScriptedModel, ...]

    def answer(self, call: Call, key: str) -> ObservedReply:
        headers = {"Authorization": f"Bearer {key}", **call.headers}
        sent: dict[str, object] = {"json": call.body} if call.body is not None else {}
        if isinstance(call.body, bytes):
            sent, headers["Content-Type"] = {"content": call.body}, "application/json"
        reply = self.http.request(call.method, call.path, headers=headers, **sent)  # type: ignore[arg-type]
        return ObservedReply(reply.status_code, dict(reply.headers), reply.content)

    def told_to_models(self) -> Sequence[tuple[str, object]]:
        """Every prompt, cut and salt that reached a language model since the last time."""
        said = [(model.name, call) for model in self.models for call in model.calls]
        for model in self.models:
            model.calls.clear()
        return said


@dataclass
class Twins:
    """`still` never sees a hidden change; `changed` sees them all.

    Visible changes are made in both, alike.
    """

    still: Twin
    changed: Twin
    keys: dict[str, str]
    calls: dict[str, list[Call]]  # by attacker
    hidden_ids: frozenset[str]

    def change(self, changes: Sequence[Change]) -> None:
        for change in changes:
            change.made_in(self.changed.world)

    def change_openly(self, change: Change) -> None:
        for twin in (self.still, self.changed):
            with same_chance(change.seed):
                change.made_in(twin.world)

    def differences(self, attacker: str, asked: Sequence[Call]) -> list[str]:
        """What the two say differently to this attacker, and what `changed` tells of hidden things."""
        found = []
        for call in asked:
            one, other = (
                twin.answer(call, self.keys[attacker]) for twin in (self.still, self.changed)
            )
            before, after = make_comparable(one), make_comparable(other)
            if before != after:
                found.append(f"{attacker}, {call.door}: {describe_first_difference(before, after)}")
            if one.status >= 500 or other.status >= 500:
                found.append(f"{attacker}, {call.door}: status {one.status} and {other.status}")
            found += [
                f"{attacker}, {call.door}: tells {word}"
                for word in find_words(after, self._secrets(call))
            ]
            found += self._again(attacker, call, one, other)
        if (one_model := self.still.told_to_models()) != (
            other_model := self.changed.told_to_models()
        ):
            where = describe_first_difference(repr(one_model).encode(), repr(other_model).encode())
            found.append(f"{attacker}: the model was told something else: {where}")
        if CANARY in repr(other_model):
            found.append(f"{attacker}: the model was told of a hidden document")
        return found

    def _secrets(self, call: Call) -> list[str]:
        sent = f"{call.path} {call.body!r}"
        return [word for word in (CANARY, VAULT, *self.hidden_ids) if word not in sent]

    def _again(
        self, attacker: str, call: Call, one: ObservedReply, other: ObservedReply
    ) -> list[str]:
        """With the tag and the position of the reply: unchanged for both, and fresh enough for
        both.
        """
        if call.route != "POST /search" or "etag" not in one.headers or "etag" not in other.headers:
            return []
        found = []
        for twin, reply in ((self.still, one), (self.changed, other)):
            more = {
                "If-None-Match": reply.headers["etag"],
                "Clearance-At-Least": reply.headers["clearance-position"],
            }
            again = Call(
                door=call.door, route=call.route, path=call.path, body=call.body, headers=more
            )
            status = twin.answer(again, self.keys[attacker]).status
            found += (
                []
                if status == 304
                else [f"{attacker}, {call.door}: {status} for its own tag and position"]
            )
        return found


@contextmanager
def twins(folder: Path, seed: int) -> Iterator[Twins]:
    """Built as one home, which is copied; so secrets, ids, tokens and keys are the same in both."""
    rng = random.Random(seed)
    world = World(folder / "still")
    keys = _people(world)
    _documents(world, rng)
    known, hidden_ids = _knowledge(world)
    world.close()
    shutil.copytree(folder / "still", folder / "changed")
    asked = list(make_calls(known))
    with ExitStack() as stack:
        still, changed = (
            stack.enter_context(_served(folder / name)) for name in ("still", "changed")
        )
        yield Twins(
            still, changed, keys, {attacker: list(asked) for attacker in ATTACKERS}, hidden_ids
        )


@contextmanager
def _served(home: Path) -> Iterator[Twin]:
    world = World(home, llm_answer_tokens=200)
    vault, open_model = ScriptedModel(talkative, name=VAULT), ScriptedModel(talkative)
    app = create_app(
        world.settings,
        embedder=world.embedder,
        model=ScriptedModels(open_model, vault),
        catalog=world.catalog,
    )
    try:
        with TestClient(app, raise_server_exceptions=False) as http:
            yield Twin(world, app, http, (open_model, vault))
    finally:
        world.close()


def _people(world: World) -> dict[str, str]:
    people = world.catalog.people
    for group in ("staff", "board", "vault", "cellar"):
        people.add_group(group, by=TESTER)
    for user, groups in USERS.items():
        people.add_user(user, by=TESTER)
        for group in groups:
            people.add_member(group, f"user:{user}", by=TESTER)
    world.catalog.models.set(VAULT, Readers(allow=frozenset({"group:board"})), by=TESTER)
    issue = world.catalog.keys.issue
    return {
        user: issue(user, scopes=["ask", "admin"] if user == "root" else ["ask"], by=TESTER).secret
        for user in ATTACKERS
    }


def _documents(world: World, rng: random.Random) -> None:
    for n in range(8):
        Change("put openly", n, rng.getrandbits(32)).made_in(world)
    for n in range(6):
        Change("put", n, rng.getrandbits(32)).made_in(world)
        world.relabel(f"hidden{n}", *HIDDEN[n])


def _knowledge(world: World) -> tuple[Knowledge, frozenset[str]]:
    """What is known to the attackers: everything of theirs, and even the ids of what is hidden."""
    own = world.search("eve", QUESTIONS[0], k=50).hits
    secret = (
        *world.search("bob", QUESTIONS[0], k=50).hits,
        *world.search("kim", QUESTIONS[0], k=50).hits,
    )
    mine = {hit.document_id for hit in own} | {hit.id for hit in own}
    hidden = [hit for hit in secret if hit.document_id not in mine]
    known = Knowledge(
        questions=QUESTIONS,
        documents=tuple(dict.fromkeys(hit.document_id for hit in (*own[:3], *hidden[:4]))),
        passages=tuple(dict.fromkeys(hit.id for hit in (*own[:3], *hidden[:4]))),
        models=("scripted", VAULT),
        templates=("secret0", "secret1"),
    )
    return known, frozenset(hit.document_id for hit in hidden) | frozenset(hit.id for hit in hidden)
