"""Greetings, thanks and "what can I ask here?": a short reply made of what the asker may read, without
a model and without a search.
"""

import json
from contextlib import closing
from itertools import count
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes.errors import StorageFull, Withdrawn
from indexes.model import DocumentEntry, Principal
from indexes.search.document_list import DocumentList, ViewSummary
from service.answering import phrases
from service.answering.greetings import (
    PLACES,
    TITLES,
    choose_documents,
    compose_offer,
    find_courtesy,
)
from tests.service.conftest import House, readers
from tests.world import TESTER

GREETINGS = [
    "hi",
    "Hello!",
    "Good morning",
    "hey there :)",
    "How are you?",
    "你好",
    "您好！",
    "早上好",
]
OFFERS = [
    "What can I ask here?", "who are you?", "Hi, what can you do?", "help", "which documents can I read?", "What's in here?",
    "你能做什么？", "你是谁", "有哪些文档？", "你好，这里可以问什么？", "這裡有哪些文件？", "你能做什麼？",
]  # fmt: skip
THANKS = ["Thanks!", "thank you very much", "ok, thanks", "谢谢", "好的，谢谢你", "謝謝", "再见"]
QUESTIONS = [
    "Hello, when do salaries rise?", "Hi there, who repairs the tide gauges?", "help desk opening hours",
    "What can you do with parental leave?", "What documents do I need for a visa?", "What can I ask the works council?",
    "Thanks, and who decides it?", "Good morning routines of the harbour", "你好，年假有多少天？", "有哪些文档需要签字？",
    "谢谢你的介绍，年假有多少天？", "怎么用？", "", "?",
]  # fmt: skip


def ask(
    http: TestClient, house: House, question: str, who: str = "ada", **more: Any
) -> dict[str, Any]:
    body = {"question": question, **more}
    reply = http.post("/ask", json=body, headers=house.headers(who))
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


@pytest.mark.parametrize(
    ("questions", "kind"),
    [(GREETINGS, "greeting"), (OFFERS, "offer"), (THANKS, "thanks"), (QUESTIONS, None)],
    ids=["greeting", "offer", "thanks", "question"],
)
def test_a_courtesy_is_one_only_if_the_question_says_nothing_else(
    questions: list[str], kind: str | None
) -> None:
    assert {question: find_courtesy(question) for question in questions} == dict.fromkeys(
        questions, kind
    )


def test_a_greeting_is_answered_from_the_view_without_model_or_search(
    http: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexes.search.searcher.Searcher.search", None)
    told = ask(http, house, "Hello")
    assert told["answer"] == "\n".join([
        "Hello. Questions are answered here from the documents that you may read, with the place where each answer stands."
        " Documents that you may read: 2. Some of them:", "", "- Menu", "- Salaries",
    ])  # fmt: skip
    assert (told["answerer"], told["abstained"], told["model"]) == ("service", False, None)
    assert (told["passages"], told["near"], told["advice"]) == ([], [], None)
    assert house.model.calls == []


def test_thanks_are_answered_without_titles(http: TestClient, house: House) -> None:
    assert ask(http, house, "Thanks!")["answer"] == phrases.WELCOME["en"]
    assert ask(http, house, "谢谢")["answer"] == phrases.WELCOME["zh"]


def test_hello_in_a_conversation_is_not_searched_with_what_was_said(
    http: TestClient, house: House
) -> None:
    history = [
        {"role": "user", "content": "When do salaries rise?"},
        {"role": "assistant", "content": "In March [1]."},
    ]
    told = ask(http, house, "hello", history=history)
    assert told["answerer"] == "service"
    assert told["standalone_question"] is None


def test_a_question_that_begins_with_hello_is_answered(http: TestClient, house: House) -> None:
    told = ask(http, house, "Hello, when do salaries rise?")
    assert told["answerer"] == "model"
    assert told["passages"]


def test_what_is_hidden_changes_no_byte_of_it(http: TestClient, house: House) -> None:
    def reply() -> dict[str, Any]:
        told = ask(http, house, "What can I ask here?", "bob")
        return {name: told[name] for name in told if name not in ("answer_id", "timings")}

    before = reply()
    assert "Salaries" not in before["answer"]
    for number in range(3):
        house.put(f"hidden {number}", "Hidden.", readers("group:hr"))
    house.catalog.documents.delete("file:///house/salaries.txt", by=TESTER)
    assert reply() == before


def test_an_empty_view_is_told_the_same_whether_there_is_anything(
    http: TestClient, house: House
) -> None:
    house.catalog.documents.delete("file:///house/menu.txt", by=TESTER)
    told = ask(http, house, "What can I ask here?", "root")["answer"]
    assert told.endswith(phrases.NO_DOCUMENTS["en"])
    assert "-" not in told.removeprefix(phrases.WHAT_IS_DONE["en"])


def test_filters_narrow_what_is_named(http: TestClient, house: House) -> None:
    told = ask(http, house, "hi", filters={"path_prefix": "menu"})["answer"]
    assert "Menu" in told
    assert "Salaries" not in told


def test_the_documents_it_names_are_recorded_before_they_are_told(
    http: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ask(http, house, "hello")
    with closing(house.catalog.open_trail()) as trail:
        asked, answered = house.catalog.books(trail).about(told["answer_id"])
    assert asked["documents"] == [house.ids["menu"], house.ids["salaries"]]
    assert answered["outcome"] == "greeted"
    assert "Salaries" not in json.dumps([asked, answered])
    shown = http.get(f"/answers/{told['answer_id']}", headers=house.headers("ada")).json()
    assert (shown["documents"], shown["outcome"]) == (asked["documents"], "greeted")

    def full(*_: Any) -> None:
        raise StorageFull("Nothing of the last write was kept.")

    monkeypatch.setattr("indexes.catalog.audit.trail.Trail.record", full)
    for stream in (False, True):
        body = {"question": "hello", "stream": stream}
        reply = http.post("/ask", json=body, headers=house.headers("ada"))
        assert reply.status_code >= 500
        assert "Salaries" not in reply.text


def test_it_is_not_given_after_one_of_its_documents_was_taken_away(
    http: TestClient, house: House
) -> None:
    searcher, ada = house.app.state.runtime.searcher, Principal(name="user:ada")
    searcher.confirm(ada, (), [house.ids["salaries"]])
    house.catalog.people.remove_member("hr", "user:ada", by=TESTER)
    with pytest.raises(Withdrawn):
        searcher.confirm(ada, (), [house.ids["salaries"]])
    with pytest.raises(Withdrawn):
        searcher.confirm(ada, (), ["absent"])


def test_a_revocation_while_it_is_made_ends_it(
    http: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = compose_offer

    def late(*given: Any) -> str:
        house.catalog.people.remove_member("hr", "user:ada", by=TESTER)
        return honest(*given)

    monkeypatch.setattr("service.answering.greetings.compose_offer", late)
    for stream in (False, True):
        body = {"question": "hello", "stream": stream}
        reply = http.post("/ask", json=body, headers=house.headers("ada"))
        assert "withdrawn" in reply.text
        assert "Salaries" not in reply.text
        house.catalog.people.add_member("hr", "user:ada", by=TESTER)


def test_what_is_counted_and_what_is_named_are_of_one_view(
    http: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = DocumentList.summary
    revoke = iter([True])

    def late(*given: Any) -> ViewSummary:
        counted = honest(*given)
        if next(revoke, False):  # between two looks
            house.catalog.people.remove_member("hr", "user:ada", by=TESTER)
        return counted

    monkeypatch.setattr(DocumentList, "summary", late)
    told = http.post("/ask", json={"question": "hello"}, headers=house.headers("ada")).json()
    after = http.post("/ask", json={"question": "hello"}, headers=house.headers("ada")).json()
    assert (told["answer"], told["view_id"]) == (after["answer"], after["view_id"])
    assert "Salaries" not in told["answer"]


def test_a_view_that_never_rests_is_not_told(
    http: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, numbers = DocumentList.summary, count()

    def late(*given: Any) -> ViewSummary:
        change = next(numbers) % 2
        people = house.catalog.people
        (people.add_member if change else people.remove_member)("hr", "user:ada", by=TESTER)
        return honest(*given)

    monkeypatch.setattr(DocumentList, "summary", late)
    reply = http.post("/ask", json={"question": "hello"}, headers=house.headers("ada"))
    assert reply.status_code >= 400
    assert "Salaries" not in reply.text


def test_a_model_that_is_not_there_is_refused_as_for_every_question(
    http: TestClient, house: House
) -> None:
    body = {"question": "hello", "model": "no-such-model"}
    assert http.post("/ask", json=body, headers=house.headers("ada")).status_code == 404


def test_a_stream_tells_it_in_the_usual_events(http: TestClient, house: House) -> None:
    body = {"question": "你好", "stream": True}
    reply = http.post("/ask", json=body, headers=house.headers("ada"))
    events = [line for line in reply.text.splitlines() if line.startswith("event: ")]
    assert events == ["event: passages", "event: token", "event: usage", "event: done"]
    assert "您可以阅读的文档：2份。" in reply.text


def entry(path: str, title: str) -> DocumentEntry:
    return DocumentEntry(
        id=path, title=title, path=path, media_type="text/plain", collection="default", language=None,
        modified_at=None, metadata={}, original=None,
    )  # fmt: skip


def test_titles_come_from_as_many_folders_as_there_are_and_first_in_the_askers_script() -> None:
    listed = [entry(f"a/{n}", f"A{n}") for n in range(9)] + [
        entry("b/1", "B1"),
        entry("b/2", "食堂"),
    ]
    assert [one.title for one in choose_documents(listed, "en")] == ["A0", "B1", "A1", "食堂", "A2"]
    assert next(one.title for one in choose_documents(listed, "zh")) == "食堂"
    assert len(choose_documents(listed, "en")) == TITLES
    assert choose_documents([], "en") == ()


def test_the_places_are_counted_and_everything_is_inert() -> None:
    places = tuple((f"source{n}", 20 - n) for n in range(PLACES + 2))
    summary = ViewSummary(documents=99, collections=(("default", 99),), sources=places)
    named = [entry("a", "<img src=x> ![x](https://evil.example) [1]\n- Other")]
    told = compose_offer("offer", "en", summary, named)
    assert "Documents that you may read: 99 (source0: 20, source1: 19, " in told
    assert "…)" in told
    assert told.count("\n- ") == 1
    assert "https://" not in told
    assert "<img" not in told
    by_collection = ViewSummary(documents=3, collections=(("a", 2), ("b", 1)), sources=places)
    assert "您可以阅读的文档：3份（a：2份，b：1份）。" in compose_offer(
        "offer", "zh", by_collection, []
    )
