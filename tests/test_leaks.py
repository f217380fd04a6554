"""Every user × every document × every door: nothing of a document leaves towards who may not read
it.

A template and a language model with readers of their own are hidden things as well.
"""

import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, true
from starlette.testclient import TestClient

from indexes.catalog import reading, template_choice
from indexes.catalog.models import Models
from indexes.catalog.prepared import Prepared
from indexes.catalog.schema import documents, template_versions
from indexes.catalog.template_choice import TemplateText
from indexes.errors import GeneratorUnavailable
from indexes.model import Principal, Readers
from service.app import create_app
from service.http import wrong_keys
from service.llm.port import Prompt
from service.testing.models import ScriptedModel, ScriptedModels
from tests.world import TESTER, World

QUESTION = "Which report tells about the quarterly canary?"
USERS = {"ada": ["hr"], "bob": ["eng"], "cat": ["hr", "eng"], "eve": [], "root": []}
DOCUMENTS = {  # name: (allow, deny)
    "payroll": (["group:hr"], []),
    "rocket": (["group:eng"], []),
    "shared": (["group:staff"], []),  # hr and eng are inside of staff
    "letter": (["user:ada"], []),
    "canteen": (["public"], []),
    "verdict": (["group:staff"], ["user:cat"]),
    "orphan": ([], []),
}
READERS = {
    "payroll": {"ada", "cat"},
    "rocket": {"bob", "cat"},
    "shared": {"ada", "bob", "cat"},
    "letter": {"ada"},
    "canteen": {"ada", "bob", "cat", "eve", "root"},
    "verdict": {"ada", "bob"},
    "orphan": set(),
    # a template: active by name and for everybody, for group:hr alone
    "letterhead": {"ada", "cat"},
    "vault": {"ada", "cat"},  # a language model: the first of all, for group:hr alone
}
ADMINISTERED = {("root", door, "letterhead") for door in ("admin templates", "admin template")}
"""Who administers templates sees them all, and uses only those that name them."""


def canary(name: str) -> str:
    """A word that stands in one document only."""
    return f"zq{name}x7"


NAMED = (
    ("template", canary("letterhead")),
    ("template", f"{canary('letterhead')}@1"),
    ("model", canary("vault")),
)


class Building:
    """The service over a corpus in which every document holds its own canary."""

    def __init__(self, home: Path) -> None:
        self.world = World(home)
        self.world.people(**USERS)
        self.world.catalog.people.add_group("staff", by=TESTER)
        for group in ("hr", "eng"):
            self.world.catalog.people.add_member("staff", f"group:{group}", by=TESTER)
        self.ids = {
            name: self.world.put(
                name,
                f"The quarterly report on the canary says {canary(name)}. It has {len(name)} pages.",
                *allow,
                deny=deny,
                title=f"Title {canary(name)}",
                path=f"folder {canary(name)}/{name}.txt",
            )
            for name, (allow, deny) in DOCUMENTS.items()
        }
        self.keys = {user: self.world.catalog.keys.issue(user, by=TESTER).secret for user in USERS}
        self.keys["root"] = self.world.catalog.keys.issue(
            "root", scopes=["ask", "admin"], by=TESTER
        ).secret
        self.passages = self._passage_ids()
        self._save_template()
        self.vault = ScriptedModel(_repeat_everything, name=canary("vault"))
        self.model = ScriptedModel(_repeat_everything)
        self.world.catalog.models.set(
            self.vault.name, Readers(allow=frozenset({"group:hr"})), by=TESTER
        )
        models = ScriptedModels(self.vault, self.model)
        app = create_app(
            self.world.settings,
            embedder=self.world.embedder,
            model=models,
            catalog=self.world.catalog,
        )
        self.http = TestClient(app)

    def _save_template(self) -> None:
        name, kept = canary("letterhead"), self.world.catalog.templates
        text = TemplateText(
            variables=("passages", "question"),
            system=f"Obey {name}.",
            user="{% for passage in passages %}[{{ passage.n }}] {{ passage.title }} {{ passage.text }}\n{% endfor %}"
            "{{ question }}",
            no_answer="Nothing.",
        )
        kept.save(name, "chat", "en", text, Readers(allow=frozenset({"group:hr"})), by=TESTER)
        for audience in ("name", "default"):
            kept.activate(name, 1, audience=audience, by=TESTER)

    def _passage_ids(self) -> dict[str, str]:
        found = {}
        for user in USERS:
            for hit in self.world.search(user, QUESTION, k=50).hits:
                found[next(name for name in DOCUMENTS if self.ids[name] == hit.document_id)] = (
                    hit.id
                )
        return found

    def doors(self, user: str) -> Iterator[tuple[str, bytes]]:
        """Everything that the service says to this user: (which door, all bytes of the reply)."""
        headers = {"Authorization": f"Bearer {self.keys[user]}"}

        def call(method: str, url: str, body: object = None, **more: str) -> bytes:
            reply = self.http.request(method, url, json=body, headers={**headers, **more})
            return reply.content + json.dumps(dict(reply.headers)).encode()

        for answerer in ("model", "quotes"):
            yield (
                f"ask {answerer}",
                call("POST", "/ask", {"question": QUESTION, "k": 50, "answerer": answerer}),
            )
            yield (
                f"stream {answerer}",
                call(
                    "POST",
                    "/ask",
                    {"question": QUESTION, "k": 50, "answerer": answerer, "stream": True},
                ),
            )
        yield (
            "ask in Chinese",
            call("POST", "/ask", {"question": "季度报告说了什么？ canary", "k": 50}),
        )
        for mode in ("hybrid", "dense", "keyword"):
            yield (
                f"search {mode}",
                call("POST", "/search", {"question": QUESTION, "k": 50, "mode": mode}),
            )
        yield (
            "search filtered",
            call(
                "POST",
                "/search",
                {"question": QUESTION, "k": 50, "filters": {"path_prefix": "folder"}},
            ),
        )
        for name in DOCUMENTS:
            yield f"document {name}", call("GET", f"/documents/{self.ids[name]}")
            if name in self.passages:
                yield f"passage {name}", call("GET", f"/passages/{self.passages[name]}")
        for kind, name in NAMED:
            for stream in (False, True):
                said = {"question": QUESTION, "k": 50, kind: name, "stream": stream}
                yield f"ask {kind} {name} {stream}", call("POST", "/ask", said)
            options = {"k": 50} | ({"template": name} if kind == "template" else {})
            given: dict[str, object] = {
                "model": name if kind == "model" else "scripted",
                "clearance": options,
            }
            chat = given | {"messages": [{"role": "user", "content": QUESTION}]}
            yield f"chat with {kind} {name}", call("POST", "/v1/chat/completions", chat)
            yield (
                f"response with {kind} {name}",
                call("POST", "/v1/responses", given | {"input": QUESTION}),
            )
        yield "admin templates", call("GET", "/admin/templates")
        yield "admin template", call("GET", f"/admin/templates/{canary('letterhead')}")
        yield "model by name", call("GET", f"/v1/models/{canary('vault')}")
        yield "wrong body", call("POST", "/ask", {"question": QUESTION, "kk": 1})
        yield "no body", call("POST", "/search")
        yield "rebuild", call("POST", "/admin/index/rebuild")
        yield "unknown job", call("GET", "/admin/jobs/nothing")
        yield "unknown address", call("GET", "/nothing")
        for model, stream in (
            ("scripted", False),
            ("scripted", True),
            ("clearance-quotes", False),
            ("user:ada", False),
        ):
            said = {"model": model, "stream": stream, "clearance": {"k": 50}}
            chat = {**said, "messages": [{"role": "user", "content": QUESTION}]}
            yield f"chat {model} {stream}", call("POST", "/v1/chat/completions", chat)
            yield (
                f"response {model} {stream}",
                call("POST", "/v1/responses", {**said, "input": QUESTION}),
            )
        yield "wrong chat", call("POST", "/v1/chat/completions", {"messages": QUESTION})
        yield "models", call("GET", "/v1/models")
        yield "unknown model", call("GET", "/v1/models/nothing")
        for url in (
            "/openapi.json",
            "/docs",
            "/metrics",
            "/livez",
            "/readyz",
            "/version",
            "/problems/not-found",
        ):
            yield url, call("GET", url)
        self.model.failure = self.vault.failure = GeneratorUnavailable("It refuses.")
        yield (
            "model down",
            call("POST", "/ask", {"question": QUESTION, "k": 50, "answerer": "model"}),
        )
        self.model.failure = self.vault.failure = None

    def leaks(self, users: Iterable[str] = USERS) -> list[str]:
        """Every place where something hidden reached a user who may not read it."""
        found = []
        for user in users:
            self.model.calls.clear()
            self.vault.calls.clear()
            for door, content in self.doors(user):
                found += [
                    f"{user} {door}: {name}"
                    for name in self._forbidden(user)
                    if self._tells(content, door, name) and (user, door, name) not in ADMINISTERED
                ]
            if self.vault.calls and user not in READERS["vault"]:
                found.append(f"{user} asked: vault")
            prompts = repr(self.model.calls + self.vault.calls).encode()
            found += [
                f"{user} prompt: {name}"
                for name in self._forbidden(user)
                if canary(name).encode() in prompts
            ]
        return found

    def _forbidden(self, user: str) -> list[str]:
        return [name for name in READERS if user not in READERS[name]]

    def _tells(self, content: bytes, door: str, name: str) -> bool:
        words = [canary(name).encode()]
        # an id that the caller sent may come back in an error
        if name in DOCUMENTS and door.split()[-1] != name:
            words += [self.ids[name].encode(), self.passages.get(name, canary(name)).encode()]
        return any(word in content for word in words)


def _repeat_everything(prompt: Prompt) -> str:
    """The most talkative model there can be."""
    return repr(prompt)


@pytest.fixture
def building(tmp_path: Path) -> Iterator[Building]:
    made = Building(tmp_path / "home")
    with made.http:
        yield made
    made.world.close()


def test_no_door_tells_anybody_of_what_they_may_not_read(
    building: Building, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert building.leaks() == []
    assert not [name for name in DOCUMENTS if canary(name) in caplog.text], (
        "logs hold document text"
    )
    assert QUESTION not in caplog.text
    runtime = building.http.app.state.runtime  # type: ignore[attr-defined]
    assert runtime.searcher.status().alarms == 0, "one gate had to stop what the other let through"


@pytest.mark.quick
def test_searching_asking_and_opening_tell_everybody_exactly_what_they_may_read(
    building: Building,
) -> None:
    for user in USERS:
        headers = {"Authorization": f"Bearer {building.keys[user]}"}
        asked = {"question": QUESTION, "k": 50, "answerer": "quotes"}
        said = [
            building.http.post("/search", json={"question": QUESTION, "k": 50}, headers=headers),
            building.http.post("/ask", json=asked, headers=headers),
        ]
        said += [
            building.http.get(f"/documents/{id}", headers=headers) for id in building.ids.values()
        ]
        for replies in (said[:1], said[1:2], said[2:]):
            told = b"".join(reply.content for reply in replies)
            heard = {name for name in DOCUMENTS if canary(name).encode() in told}
            assert heard == {name for name in DOCUMENTS if user in READERS[name]}, user
    runtime = building.http.app.state.runtime  # type: ignore[attr-defined]
    assert runtime.searcher.status().alarms == 0, "one gate had to stop what the other let through"


def test_everybody_is_told_of_everything_they_may_read(building: Building) -> None:
    for user in USERS:
        said = dict(building.doors(user))
        for name in DOCUMENTS:
            if user in READERS[name]:
                chats = (
                    "chat scripted False",
                    "chat clearance-quotes False",
                    "response scripted True",
                )
                for door in (
                    "ask model",
                    "stream model",
                    "search hybrid",
                    "search dense",
                    f"document {name}",
                    *chats,
                ):
                    assert canary(name).encode() in said[door], (user, door, name)


def test_nobody_without_a_valid_key_is_told_anything(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    # so many wrong ones would be answered slowly
    monkeypatch.setattr(wrong_keys, "FREE_ATTEMPTS", 1_000_000)
    revoked = building.world.catalog.keys.issue("cat", by=TESTER)
    building.world.catalog.keys.revoke(revoked.id, by=TESTER)
    for key in ("", "nonsense", revoked.secret, building.keys["ada"][:-1]):
        building.keys["stranger"] = key
        for door, content in building.doors("stranger"):
            assert not any(canary(name).encode() in content for name in DOCUMENTS), door


def test_forbidden_and_absent_look_the_same(building: Building) -> None:
    headers = {"Authorization": f"Bearer {building.keys['eve']}"}
    absent = building.http.get("/documents/AAAAAAAAAAAAAAAAAAAA", headers=headers)
    forbidden = building.http.get(f"/documents/{building.ids['payroll']}", headers=headers)
    passage = building.http.get(f"/passages/{building.passages['payroll']}", headers=headers)
    told = [{**reply.json(), "instance": ""} for reply in (absent, forbidden, passage)]
    assert told[0] == told[1] == told[2]
    assert {reply.status_code for reply in (absent, forbidden, passage)} == {404}
    names = [
        sorted(set(reply.headers) - {"x-request-id"}) for reply in (absent, forbidden, passage)
    ]
    assert names[0] == names[1] == names[2]


def test_a_hidden_template_or_model_and_an_absent_one_look_the_same(building: Building) -> None:
    def told(kind: str, name: str, user: str) -> list[tuple[object, ...]]:
        headers = {"Authorization": f"Bearer {building.keys[user]}"}
        template: dict[str, object] = {"model": "scripted", "clearance": {"template": name}}
        model: dict[str, object] = {"model": name}
        given = template if kind == "template" else model
        requests: list[tuple[str, dict[str, object]]] = [
            ("/ask", {"question": QUESTION, kind: name}),
            ("/ask", {"question": QUESTION, kind: name, "stream": True}),
            ("/ask", {"question": QUESTION, kind: name, "fallback": "quotes"}),
            ("/ask", {"question": "zzz", kind: name, "mode": "keyword"}),
            ("/v1/chat/completions", given | {"messages": [{"role": "user", "content": QUESTION}]}),
            ("/v1/responses", given | {"input": QUESTION}),
        ]
        replies = [building.http.post(at, json=body, headers=headers) for at, body in requests]
        if kind == "model":
            replies.append(building.http.get(f"/v1/models/{name}", headers=headers))
        assert all(reply.status_code in (200, 404) for reply in replies)
        return [
            (
                reply.status_code,
                {
                    k: v
                    for k, v in reply.json().items()
                    if k not in ("instance", "answer_id", "timings")
                },
                sorted(set(reply.headers) - {"x-request-id"}),
            )
            for reply in replies
        ]

    for user in ("bob", "eve", "root"):
        for kind, name in NAMED:
            assert told(kind, name, user) == told(kind, name.replace("zq", "zz"), user), (
                user,
                name,
            )
    listed = building.http.get(
        "/v1/models", headers={"Authorization": f"Bearer {building.keys['ada']}"}
    ).json()
    assert [card["id"] for card in listed["data"]][:2] == [canary("vault"), "scripted"]


def test_who_may_use_a_template_and_a_model_is_answered_with_them(building: Building) -> None:
    for user in ("ada", "bob"):
        headers = {"Authorization": f"Bearer {building.keys[user]}"}
        reply = building.http.post("/ask", json={"question": QUESTION}, headers=headers).json()
        expected = (
            (canary("vault"), f"{canary('letterhead')}@1")
            if user == "ada"
            else ("scripted", "chat-en@1")
        )
        assert (reply["model"], reply["template"]) == expected


def test_asking_for_what_is_hidden_and_for_what_is_nowhere_ends_the_same(
    building: Building,
) -> None:
    def ask(user: str) -> dict[str, object]:
        headers = {"Authorization": f"Bearer {building.keys[user]}"}
        reply = building.http.post(
            "/ask", json={"question": canary("payroll"), "mode": "keyword"}, headers=headers
        )
        return {k: v for k, v in reply.json().items() if k not in ("answer_id", "timings")}

    before = ask("eve")
    building.world.catalog.documents.delete("payroll", by=TESTER)
    assert ask("eve") == before
    assert before["abstained"] is True


# --- the matrix must be able to fail ------------------------------------------------------------


def test_an_open_first_gate_is_stopped_by_the_second_and_raises_an_alarm(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "readable_sets", _all_sets)
    assert building.leaks() == []
    runtime = building.http.app.state.runtime  # type: ignore[attr-defined]
    assert runtime.searcher.status().alarms > 0, "the first test of this page fails on this"


def test_the_matrix_fails_when_the_second_gate_is_open(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    _open_second_gate(monkeypatch)
    assert any("document" in leak for leak in building.leaks())


def test_the_matrix_fails_when_both_gates_are_open(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    _open_second_gate(monkeypatch)
    monkeypatch.setattr(reading, "readable_sets", _all_sets)
    leaks = building.leaks()
    assert any("prompt" in leak for leak in leaks)
    assert any("search" in leak for leak in leaks)


def test_the_matrix_fails_when_models_and_templates_are_everybodys(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Models, "hidden_from", lambda rights, principal: frozenset())
    monkeypatch.setattr(
        template_choice, "readable_sets", lambda connection, principal, among: sorted(among)
    )
    monkeypatch.setattr(template_choice, "_read_version", _unguarded)
    leaks = building.leaks(["eve"])
    for leak in ("models: vault", "asked: vault", "ask model: letterhead", "prompt: letterhead"):
        assert f"eve {leak}" in leaks


def _unguarded(
    connection: Connection, principal: Principal, version_id: int
) -> template_choice.TemplateVersion | None:
    found = template_choice.VERSIONS.where(template_versions.c.id == version_id)
    return template_choice.version_of(connection.execute(found).mappings().one())


def _all_sets(connection: Connection, principal: Principal) -> list[int]:
    return sorted(connection.scalars(select(documents.c.reader_set_id).distinct()))


def _open_second_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "may_read_set", lambda connection, principal, reader_set: True)
    for name in ("_HITS_BY_ROW", "_HIT_BY_ID", "_READABLE_AMONG", "_DOCUMENT_BY_ID"):
        given = getattr(reading, name)
        guarded: Any = given.statement if isinstance(given, Prepared) else given
        conditions = [c for c in guarded.whereclause.clauses if "reader_set" not in str(c)]
        opened = guarded.with_only_columns(*guarded.selected_columns)
        opened._where_criteria = tuple(conditions) or (true(),)
        monkeypatch.setattr(
            reading, name, Prepared(opened) if isinstance(given, Prepared) else opened
        )


def test_only_the_guarded_read_makes_hits_and_only_the_packing_makes_passages() -> None:
    """By name, in the source: a second place that makes them would be a second door."""
    root = Path(__file__).parent.parent
    makers: dict[str, set[str]] = {"Hit(": set(), "DocumentView(": set(), " Passage(": set()}
    for package in ("service", "ingest", "indexes"):
        for path in (root / package).rglob("*.py"):
            for line in path.read_text(encoding="utf-8").splitlines():
                for made, places in makers.items():
                    if made in line and not line.lstrip().startswith(("class ", "#", '"')):
                        places.add(path.relative_to(root).as_posix())
    assert makers["Hit("] == {"indexes/catalog/reading.py"}
    assert makers["DocumentView("] == {"indexes/catalog/reading.py"}
    assert makers[" Passage("] <= {"service/answering/prompt.py"}
