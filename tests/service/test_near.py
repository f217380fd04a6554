"""If nothing answers, the nearest passages that the asker may read are shown beside, and recorded."""

import json
from contextlib import closing
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes.errors import StorageFull
from indexes.model import PageMark
from service.answering import near, phrases
from service.answering.evidence import SETTING
from service.answering.prompt import Excerpt, pack_passages
from service.cli.replay import replay_answer
from service.llm.rights import QUOTES
from tests.service.conftest import SALARIES, House, readers
from tests.service.given import hit
from tests.world import TESTER

UNANSWERED = {"question": "Who painted the ceiling of the chapel?", "answerer": "quotes"}
WEAK = {"question": "When do salaries rise?", "answerer": "quotes"}


def refuse_all(house: House) -> None:
    """No evidence is enough."""
    generation = house.catalog.generations.active()
    assert generation
    told = {"threshold": 2.0}
    house.catalog.generations.keep_setting(
        generation, SETTING, {"hybrid": {"en": told, "zh": told}}, by=TESTER
    )


def ask(http: TestClient, house: House, body: dict[str, Any], who: str = "ada") -> dict[str, Any]:
    reply = http.post("/ask", json=body, headers=house.headers(who))
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def records(house: House, answer_id: str) -> list[Any]:
    with closing(house.catalog.open_trail()) as trail:
        return list(house.catalog.books(trail).about(answer_id))


def test_what_was_shown_and_does_not_answer_is_shown_as_the_nearest(
    http: TestClient, house: House
) -> None:
    told = ask(http, house, UNANSWERED)
    assert told["abstained"]
    assert told["near"] == told["passages"][: near.AT_MOST] != []
    assert told["advice"].startswith("Try other words, such as those of “")


def test_what_is_too_weak_to_answer_from_is_shown_as_the_nearest(
    http: TestClient, house: House
) -> None:
    refuse_all(house)
    told = ask(http, house, WEAK)
    assert (told["answer"], told["passages"]) == (phrases.NOTHING_FOUND["en"], [])
    assert SALARIES in [span["text"] for each in told["near"] for span in each["spans"]]
    assert [each["n"] for each in told["near"]] == list(range(1, 1 + len(told["near"])))


def test_an_answer_has_nothing_beside_it(http: TestClient, house: House) -> None:
    told = ask(http, house, {"question": "When do salaries rise?"})
    assert not told["abstained"]
    assert (told["near"], told["advice"]) == ([], None)


def test_an_empty_view_has_nothing_near(http: TestClient, house: House) -> None:
    house.catalog.documents.delete("file:///house/menu.txt", by=TESTER)
    told = ask(http, house, UNANSWERED, "root")
    assert (told["passages"], told["near"]) == ([], [])
    assert told["advice"] == phrases.OTHER_WORDS["en"]


def test_a_stream_ends_with_the_nearest_passages(http: TestClient, house: House) -> None:
    refuse_all(house)
    reply = http.post("/ask", json=WEAK | {"stream": True}, headers=house.headers("ada"))
    done = reply.text.rpartition("event: done\ndata: ")[2]
    assert json.loads(done)["near"] == ask(http, house, WEAK)["near"] != []


def test_openai_routes_tell_them_in_the_extension(http: TestClient, house: House) -> None:
    refuse_all(house)
    body = {"model": QUOTES, "messages": [{"role": "user", "content": WEAK["question"]}]}
    told = http.post("/v1/chat/completions", json=body, headers=house.headers("ada")).json()
    assert told["clearance"]["near"] == ask(http, house, WEAK)["near"] != []
    assert told["clearance"]["advice"]


def test_the_nearest_are_recorded_before_they_are_shown(
    http: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_all(house)
    told = ask(http, house, WEAK)
    asked, answered = records(house, told["answer_id"])
    named = [(each["document"], each["passages"]) for each in asked["near"]]
    assert named == [(each["document_id"], [each["id"]]) for each in told["near"]]
    assert asked["passages"] == []
    assert answered["outcome"] == "abstained"
    assert "heliotrope" not in json.dumps([asked, answered])

    def full(*_: Any) -> None:
        raise StorageFull("Nothing of the last write was kept.")

    monkeypatch.setattr("indexes.catalog.audit.trail.Trail.record", full)
    for stream in (False, True):
        reply = http.post("/ask", json=WEAK | {"stream": stream}, headers=house.headers("ada"))
        assert reply.status_code >= 500
        assert "heliotrope" not in reply.text


def test_a_stream_is_recorded_with_the_nearest_before_its_first_event(
    http: TestClient, house: House
) -> None:
    refuse_all(house)
    body = WEAK | {"stream": True}
    with http.stream("POST", "/ask", json=body, headers=house.headers("ada")) as reply:
        lines = reply.iter_lines()
        event = next(line for line in lines if line.startswith("data:"))
        answer_id = json.loads(event.removeprefix("data:"))["answer_id"]
        assert records(house, answer_id)[0]["near"]
        list(lines)


@pytest.mark.parametrize("body", [WEAK, UNANSWERED], ids=["too weak", "not answered"])
def test_an_answer_shown_again_shows_them_as_far_as_they_may_be_read(
    http: TestClient, house: House, body: dict[str, Any]
) -> None:
    if body is WEAK:
        refuse_all(house)
    told = ask(http, house, body)
    path = f"/answers/{told['answer_id']}"
    shown = http.get(path, headers=house.headers("ada")).json()
    assert [each["passage"]["spans"] for each in shown["near"]] == [
        each["spans"] for each in told["near"]
    ]
    assert shown["near"]
    again = records(house, told["answer_id"])[-1]
    assert set(again["documents"]) >= {each["document_id"] for each in told["near"]}
    house.catalog.people.remove_member("hr", "user:ada", by=TESTER)
    assert "heliotrope" not in http.get(path, headers=house.headers("ada")).text


def test_a_revocation_while_it_is_made_ends_the_reply(
    http: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_all(house)
    honest = near.offer_other_words

    def late(*given: Any) -> str:
        house.catalog.people.remove_member("hr", "user:ada", by=TESTER)
        return honest(*given)

    monkeypatch.setattr("service.answering.growing_answer.offer_other_words", late)
    reply = http.post("/ask", json=WEAK, headers=house.headers("ada"))
    assert "withdrawn" in reply.text
    assert "heliotrope" not in reply.text


def test_what_is_hidden_changes_nothing_of_them(http: TestClient, house: House) -> None:
    refuse_all(house)

    def reply() -> dict[str, Any]:
        told = ask(http, house, WEAK, "bob")
        return {name: told[name] for name in ("answer", "near", "advice", "view_id", "budget")}

    before = reply()
    assert before["near"]
    for number in range(4):
        house.put(f"hidden {number}", SALARIES, readers("group:hr"))
    house.catalog.documents.delete("file:///house/salaries.txt", by=TESTER)
    assert reply() == before


def test_advice_names_where_the_nearest_stand_and_is_inert() -> None:
    passages = pack_passages([
        Excerpt(hit("Fish.", n=1, document="a", title="Menu", section=("Food", "Fish days")), 5),
        Excerpt(hit("Soup.", n=2, document="b", title="<img src=x> https://evil.example [1]"), 5),
        Excerpt(hit("Tea.", n=3, document="c", title="Tea", pages=(PageMark(0, 1),)), 4),
    ])  # fmt: skip
    advice = near.offer_other_words("en", passages)
    assert advice.startswith("Try other words, such as those of “Fish days” or “")
    assert "https://" not in advice
    assert "<img" not in advice
    assert "[1]" not in advice
    assert "Tea" not in advice
    assert (
        near.offer_other_words("zh", passages[:1]) == "请换一种说法，例如使用“Fish days”中的词语。"
    )


def test_operators_see_what_was_near_and_what_was_named(
    http: TestClient,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refuse_all(house)
    near_ones, greeting = ask(http, house, WEAK), ask(http, house, {"question": "hello"})
    monkeypatch.setenv("CLEARANCE_HOME", str(house.settings.home))
    replay_answer(near_ones["answer_id"])
    out = capsys.readouterr().out
    assert "Nothing answered; shown as the nearest:" in out
    assert SALARIES in out
    replay_answer(greeting["answer_id"])
    out = capsys.readouterr().out
    assert "greeted" in out
    assert f"It named the titles of: {house.ids['menu']}, {house.ids['salaries']}" in out
