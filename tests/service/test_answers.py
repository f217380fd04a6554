"""Answers shown again: what their asker was shown then, as far as it may be read now."""

import asyncio
import errno
import json
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from indexes.catalog.audit.chain import Entry
from indexes.cli.audit import export
from indexes.errors import NotAuthenticated
from indexes.model import Readers
from service.app import create_app
from service.cli.replay import replay_answer
from service.http.admin import audit
from service.operating import sealing
from service.operating.sealing import Sealing
from tests.service.conftest import SALARIES, House, document, readers
from tests.world import TESTER

QUESTION = {"question": "When do salaries rise?"}


def ask(http: TestClient, house: House, who: str = "ada", **more) -> dict:
    reply = http.post("/ask", json=QUESTION | more, headers=house.headers(who))
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def answer(http: TestClient, house: House, answer_id: str, who: str = "ada"):
    return http.get(f"/answers/{answer_id}", headers=house.headers(who))


@pytest.fixture
def keeping(house: House) -> House:
    object.__setattr__(house.settings, "audit_questions", True)
    return house


def texts(shown: dict) -> list[str | None]:
    return [
        None if each["passage"] is None else each["passage"]["spans"][0]["text"]
        for each in shown["passages"]
    ]


def test_an_answer_shows_its_passages_to_its_asker(http: TestClient, house: House):
    told = ask(http, house)
    shown = answer(http, house, told["answer_id"]).json()
    assert [each["n"] for each in shown["passages"]] == [p["n"] for p in told["passages"]]
    assert texts(shown) == [p["spans"][0]["text"] for p in told["passages"]]
    assert shown["template"] == told["template"]
    assert shown["view_id"] == told["view_id"]
    assert shown["outcome"] == "answered"
    assert shown["citations"] == [each["n"] for each in told["citations"]]
    assert shown["question"] is None
    assert shown["prompt"] is None


def test_nobody_else_learns_that_there_is_an_answer(http: TestClient, house: House):
    told = ask(http, house)
    others = answer(http, house, told["answer_id"], "bob")
    absent = answer(http, house, "zzzzzzzzzzzzzzzzzzzzzz", "bob")
    assert others.status_code == absent.status_code == 404
    hidden = {"request_id", "instance"}
    assert {k: v for k, v in others.json().items() if k not in hidden} == {
        k: v for k, v in absent.json().items() if k not in hidden
    }
    assert answer(http, house, told["answer_id"], "root").status_code == 404


def test_an_edit_changes_nothing_of_what_was_shown(http: TestClient, house: House):
    told = ask(http, house)
    house.put("salaries", "Salaries fall in May.", readers("group:hr"))
    shown = answer(http, house, told["answer_id"]).json()
    assert SALARIES in texts(shown)
    assert all(each["may_read"] for each in shown["passages"])


def test_what_may_not_be_read_any_more_is_shown_without_text(http: TestClient, house: House):
    told = ask(http, house)
    house.put("salaries", "Salaries fall in May.", readers("group:hr"))
    house.catalog.people.remove_member("hr", "user:ada", by=TESTER)
    reply = answer(http, house, told["answer_id"])
    assert "heliotrope" not in reply.text
    salaries = [p for p in reply.json()["passages"] if p["document_id"] == house.ids["salaries"]]
    assert [(each["may_read"], each["passage"]) for each in salaries] == [(False, None)]


def test_a_document_that_is_gone_is_shown_to_no_asker(http: TestClient, house: House):
    told = ask(http, house)
    house.catalog.documents.delete("file:///house/salaries.txt", by=TESTER)
    assert "heliotrope" not in answer(http, house, told["answer_id"]).text


def test_a_narrowed_document_opens_no_revision_of_before(http: TestClient, house: House):
    """What somebody else could read before has no way out by way of an old revision."""
    told = ask(http, house, "ada")
    house.put("salaries", "Salaries fall in May.", readers("user:bob"))
    assert "heliotrope" not in answer(http, house, told["answer_id"]).text


def test_an_answer_belongs_to_a_person_and_not_to_a_name(http: TestClient, house: House):
    told = ask(http, house)
    people = house.catalog.people
    people.rename_user("ada", "countess", by=TESTER)
    assert answer(http, house, told["answer_id"]).status_code == 200
    people.remove_user("countess", by=TESTER)
    people.add_user("ada", by=TESTER)
    house.keys["ada"] = house.catalog.keys.issue("ada", by=TESTER).secret
    assert answer(http, house, told["answer_id"]).status_code == 404


@pytest.mark.parametrize("then", ["user:ada", "group:all", "public"])
def test_what_was_taken_from_a_reader_does_not_come_back_with_its_replacement(
    http: TestClient, house: House, then: str
):
    """Whom the new text is for says nothing of the old one, whose last readers count, too."""
    told = ask(http, house)
    house.catalog.documents.relabel("file:///house/salaries.txt", readers("user:bob"), by=TESTER)
    assert "heliotrope" not in answer(http, house, told["answer_id"]).text
    house.put("salaries", "Salaries are public now.", readers(then))
    shown = answer(http, house, told["answer_id"])
    assert shown.status_code == 200
    assert "heliotrope" not in shown.text


def test_an_answer_shown_again_is_recorded_as_shown(http: TestClient, house: House):
    told = ask(http, house)
    assert answer(http, house, told["answer_id"]).status_code == 200
    assert answer(http, house, told["answer_id"], "bob").status_code == 404
    with closing(house.catalog.open_trail()) as trail:
        records = house.catalog.books(trail).about(told["answer_id"])
    (shown,) = [record for record in records if record["kind"] == "shown-again"]
    assert shown["who"] == "user:ada"
    assert [house.ids["salaries"]] == [d for d in shown["documents"] if d == house.ids["salaries"]]
    assert "heliotrope" not in json.dumps(records)


def test_what_a_reply_names_besides_is_recorded(http: TestClient, house: House):
    """The titles of what was left out are shown as well."""
    for number in range(3):
        house.put(f"copy {number}", SALARIES, readers("group:hr"))
    told = ask(http, house)
    named = [[left["document_id"], left["passage_id"]] for left in told["budget"]["left_out"]]
    assert named
    with closing(house.catalog.open_trail()) as trail:
        asked = house.catalog.books(trail).about(told["answer_id"])[0]
    assert asked["left_out"] == named


def test_the_prompt_is_shown_to_the_letter_if_questions_are_kept(keeping: House):
    with TestClient(keeping.app) as http:
        told = ask(http, keeping)
        given = keeping.model.calls[-1].prompt
        shown = answer(http, keeping, told["answer_id"]).json()
        assert shown["question"] == QUESTION["question"]
        assert [(t["role"], t["content"]) for t in shown["prompt"]] == [
            (message.role, message.content) for message in given.messages or ()
        ]
        keeping.put("salaries", "Salaries fall in May.", readers("group:hr"))
        again = answer(http, keeping, told["answer_id"]).json()
        assert again["prompt"] == shown["prompt"]
        keeping.catalog.people.remove_member("hr", "user:ada", by=TESTER)
        assert answer(http, keeping, told["answer_id"]).json()["prompt"] is None


def test_what_earlier_answers_said_is_neither_kept_nor_shown_again(keeping: House):
    """It is text of documents, and nobody knows of which: the reader may have lost them since."""
    history = [
        {"role": "user", "content": "When do salaries rise?"},
        {"role": "assistant", "content": SALARIES},
    ]
    for question in ("What is for lunch in the canteen?", "And what is it?"):
        with TestClient(keeping.app) as http:
            told = ask(http, keeping, question=question, history=history)
            keeping.catalog.people.remove_member("hr", "user:ada", by=TESTER)
            assert "heliotrope" not in answer(http, keeping, told["answer_id"]).text
            with closing(keeping.catalog.open_trail()) as trail:
                records = keeping.catalog.books(trail).about(told["answer_id"])
            assert "heliotrope" not in json.dumps(records)
            assert records[0]["question"] == question
        keeping.catalog.people.add_member("hr", "user:ada", by=TESTER)


def test_a_stream_is_recorded_before_its_first_event(http: TestClient, house: House):
    with http.stream(
        "POST", "/ask", json=QUESTION | {"stream": True}, headers=house.headers("ada")
    ) as reply:
        lines = reply.iter_lines()
        event = next(line for line in lines if line.startswith("data:"))
        answer_id = json.loads(event.removeprefix("data:"))["answer_id"]
        with closing(house.catalog.open_trail()) as trail:
            records = house.catalog.books(trail).about(answer_id)
            assert [record["kind"] for record in records][:1] == ["asked"]
        list(lines)


def test_searches_and_opened_documents_are_recorded(http: TestClient, house: House):
    http.post("/search", json=QUESTION, headers=house.headers("ada"))
    http.get(f"/documents/{house.ids['menu']}", headers=house.headers("bob"))
    http.get(f"/documents/{house.ids['salaries']}", headers=house.headers("bob"))
    with closing(house.catalog.open_trail()) as trail:
        told = [r.body for r in house.catalog.books(trail).records() if r.book != "changes"]
    kinds = [(body["kind"], body["who"]) for body in told if body["kind"] in ("searched", "opened")]
    assert kinds == [("searched", "user:ada"), ("opened", "user:bob")]
    assert "heliotrope" not in json.dumps(told)
    assert QUESTION["question"] not in json.dumps(told)


def test_nothing_is_shown_that_cannot_be_recorded(
    http: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
):
    from indexes.errors import StorageFull

    def full(*_) -> None:
        raise StorageFull("Nothing of the last write was kept.")

    monkeypatch.setattr("indexes.catalog.audit.trail.Trail.record", full)
    for path, body in (
        ("/search", QUESTION),
        ("/ask", QUESTION),
        ("/ask", QUESTION | {"stream": True}),
    ):
        reply = http.post(path, json=body, headers=house.headers("ada"))
        assert reply.status_code >= 500
        assert "heliotrope" not in reply.text
    assert (
        http.get(f"/documents/{house.ids['menu']}", headers=house.headers("ada")).status_code >= 500
    )


def test_operators_see_what_the_reader_they_name_may_read(
    http: TestClient, house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    told = ask(http, house)
    house.put("salaries", "Salaries fall in May.", readers("group:hr"))
    house.catalog.people.remove_member("hr", "user:ada", by=TESTER)
    monkeypatch.setenv("CLEARANCE_HOME", str(house.settings.home))
    replay_answer(told["answer_id"])
    assert "heliotrope" not in capsys.readouterr().out
    house.catalog.people.add_user("auditor", by=TESTER)
    house.catalog.people.add_member("hr", "user:auditor", by=TESTER)
    replay_answer(told["answer_id"], reader="auditor")
    out = capsys.readouterr().out
    assert SALARIES in out
    assert "may not read it now" in out


def test_what_was_erased_is_shown_to_nobody(
    http: TestClient, house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    told = ask(http, house)
    house.put("salaries", "Salaries fall in May.", readers("group:hr"))
    house.catalog.listing.remove([house.ids["salaries"]], erase=True, by=TESTER)
    monkeypatch.setenv("CLEARANCE_HOME", str(house.settings.home))
    replay_answer(told["answer_id"])
    out = capsys.readouterr().out
    assert "heliotrope" not in out
    assert "nothing is kept" in out


def test_revisions_of_hidden_documents_change_nothing(http: TestClient, house: House):
    told = ask(http, house, "bob")
    before = answer(http, house, told["answer_id"], "bob").content
    house.put("salaries", "Salaries fall in May.", readers("group:hr"))
    house.catalog.documents.delete("file:///house/salaries.txt", by=TESTER)
    assert answer(http, house, told["answer_id"], "bob").content == before


def test_a_passage_id_of_another_document_shows_nothing(house: House):
    """The record names document and passage; both have to fit."""
    from indexes.model import Principal

    made = document("other", "Other text.", Readers(allow=frozenset({"user:ada"})))
    assert made.chunks
    with house.catalog.reading() as state:
        found = state.recorded(house.ids["menu"], ["zzz"], Principal(name="user:ada"))
        assert found == {}


def test_refusals_are_recorded_but_not_each_of_many(http: TestClient, house: House):
    wrong = {"Authorization": "Bearer clr_000000000000_" + "A" * 43}
    for _ in range(3):
        http.post("/search", json=QUESTION, headers=wrong)
    http.get("/admin/templates", headers=house.headers("ada"))
    http.post("/search", json=QUESTION)  # without a key: nobody was tried
    with closing(house.catalog.open_trail()) as trail:
        told = [r.body for r in house.catalog.books(trail).records() if r.book != "changes"]
    refused = [(b["why"], b["path"], b.get("who")) for b in told if b["kind"] == "refused"]
    assert refused == [
        ("unauthenticated", "/search", None),
        ("not permitted", "/admin/templates", "user:ada"),
    ]
    assert "AAAA" not in json.dumps(told)


def test_nobody_writes_much_by_being_refused(http: TestClient, house: House):
    wrong = {"Authorization": "Bearer clr_000000000000_" + "A" * 43}
    assert http.get("/search/" + "a" * 15_000, headers=wrong).status_code == 401
    with closing(house.catalog.open_trail()) as trail:
        told = [r.body for r in house.catalog.books(trail).records() if r.book != "changes"]
    (refused,) = [body for body in told if body["kind"] == "refused"]
    assert refused["path"].startswith("/search/aaa")
    assert len(json.dumps(refused)) < 1_000


def test_who_asks_as_somebody_else_is_recorded_with_both_names(http: TestClient, house: House):
    house.catalog.people.add_user("bot", by=TESTER)
    key = house.catalog.keys.issue("bot", scopes=("ask", "act-as"), by=TESTER).secret
    headers = {"Authorization": f"Bearer {key}", "Clearance-Act-As": "ada"}
    told = http.post("/ask", json=QUESTION, headers=headers).json()
    with closing(house.catalog.open_trail()) as trail:
        records = house.catalog.books(trail).about(told["answer_id"])
    assert {(r["who"], r["acted_by"]) for r in records} == {("user:ada", "user:bot")}


def test_a_key_that_cannot_be_made_ends_no_sealing(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A full disk is empty again one day; until then records are kept and synced."""

    def full(_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with closing(house.catalog.open_trail()) as trail:
        sealing_work = Sealing(trail, house.catalog, house.settings.home)
        monkeypatch.setattr(sealing, "load_key", full)
        monkeypatch.setattr(sealing, "SYNC_S", 0.001)

        async def work() -> None:
            async with sealing_work.keep_sealing():
                await asyncio.sleep(0.2)

        asyncio.run(work())
    told = [each.message for each in caplog.records if "not sealed" in each.message]
    assert len(told) > 2
    assert told[0] == "the audit record is not sealed: No space left on device"


def test_records_of_any_name_are_told_as_valid_json(
    http: TestClient, house: House, capsys: pytest.CaptureFixture[str]
):
    """A folder's name may be no valid text."""
    with closing(house.catalog.open_trail()) as trail:
        trail.record(Entry(body={"kind": "odd", "who": "user:\udcff \x00 \u00e4"}))
    told = http.get("/admin/audit/events", headers=house.headers("root"))
    last = json.loads(told.content.decode().splitlines()[-1])
    assert last["actor"]["user"]["name"] == "user:\udcff \x00 \u00e4"
    object.__setattr__(house.settings, "database_url", None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indexes.settings.load", lambda: house.settings)
        export()
    assert json.loads(capsys.readouterr().out.encode().splitlines()[-1]) == last


def test_who_may_not_read_the_record_any_more_gets_no_more_of_it(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    """Also where the record of questions is a file of its own, which knows no keys."""
    monkeypatch.setattr(audit, "TOGETHER", 1)
    key = house.catalog.keys.issue("root", scopes=("audit",), by=TESTER)
    with TestClient(house.app) as http:
        for _ in range(5):
            ask(http, house)
        runtime = house.app.state.runtime
        by_key = house.catalog.keys.authenticate(key.secret)

        async def read() -> list[bytes]:
            found = []
            with house.catalog.acting(by_key, "audit"):
                async for lines in audit._lines(runtime, None):
                    found.append(lines)
                    if b'"asked"' in lines:
                        with ThreadPoolExecutor(1) as elsewhere:  # not as whoever reads
                            elsewhere.submit(house.catalog.keys.revoke, key.id, by=TESTER).result()
            return found

        with pytest.raises(NotAuthenticated):
            asyncio.run(read())


@pytest.mark.parametrize("seed", range(6))
def test_no_batch_of_hidden_changes_moves_a_byte_of_an_answer_of_before(
    http: TestClient, house: House, seed: int
):
    """Nor does another process show anything else."""
    told = ask(http, house, "bob")
    before = answer(http, house, told["answer_id"], "bob").content
    chance = random.Random(seed)
    hidden = readers("group:hr"), readers("user:ada")
    with TestClient(as_another_process(house)) as other:
        for _ in range(3):
            for _ in range(chance.randint(1, 4)):  # several between two looks
                change_hidden(house, chance, hidden)
            assert answer(http, house, told["answer_id"], "bob").content == before
            assert answer(other, house, told["answer_id"], "bob").content == before


def change_hidden(house: House, chance: random.Random, hidden: tuple[Readers, ...]) -> None:
    name = chance.choice(("salaries", "other"))
    uri = f"file:///house/{name}.txt"
    what = chance.choice(("put", "relabel", "delete", "erase"))
    if what == "put":
        house.put(name, f"Salaries {chance.random()}.", chance.choice(hidden))
    elif what == "relabel":
        house.catalog.documents.relabel(uri, chance.choice(hidden), by=TESTER)
    elif what == "delete":
        house.catalog.documents.delete(uri, by=TESTER)
    elif house.catalog.documents.stored(uri):
        house.catalog.listing.remove([house.ids[name]], erase=True, by=TESTER)


def test_another_process_shows_nothing_after_a_right_was_taken_away(http: TestClient, house: House):
    told = ask(http, house)
    with TestClient(as_another_process(house)) as other:
        assert SALARIES in texts(answer(other, house, told["answer_id"]).json())
        house.put("salaries", "Salaries fall in May.", readers("group:hr"))
        house.catalog.people.remove_member("hr", "user:ada", by=TESTER)
        for client in (http, other):
            assert "heliotrope" not in answer(client, house, told["answer_id"]).text


def as_another_process(house: House) -> FastAPI:
    """With a catalog, indexes and a record of its own, over the same home."""
    return create_app(house.settings, embedder=house.embedder, model=house.model)
