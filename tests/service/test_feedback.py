"""What people say of their answers: their own alone, in their own words, and a question set of it."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes.catalog.audit.seals import load_key
from service.cli.serve import app
from service.evaluation.sets import load_set
from tests.service.conftest import House, run_command
from tests.service.test_answers import QUESTION, ask
from tests.world import TESTER

GOOD = {"verdict": "up"}
BAD = {"verdict": "down", "reason": "It is the month of last year.", "expected": "In April."}


def give(http: TestClient, house: House, answer_id: str, body: Any, who: str = "ada") -> Any:
    way = f"/answers/{answer_id}/feedback"
    return http.post(way, json=body, headers=house.headers(who))


def withdraw(http: TestClient, house: House, answer_id: str, who: str = "ada") -> Any:
    return http.delete(f"/answers/{answer_id}/feedback", headers=house.headers(who))


def kept(house: House) -> list[Any]:
    return list(house.catalog.feedback.read(by=TESTER))


def changes(house: House) -> list[dict[str, Any]]:
    with closing(house.catalog.open_trail()) as trail:
        books = house.catalog.books(trail)
        return [change for record in books.changes() for change in record.body["changes"]]


@pytest.fixture
def command(house: House, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("CLEARANCE_HOME", str(house.settings.home))

    def run(*words: object) -> str:
        result = run_command(app, ["feedback", *map(str, words)])
        assert result.exit_code == 0, result.output
        return result.output

    return run


# --- whose it is --------------------------------------------------------------------------------


def test_whoever_got_the_answer_may_say_what_it_is_worth_and_change_it(
    http: TestClient, house: House
):
    told = ask(http, house)
    reply = give(http, house, told["answer_id"], GOOD)
    assert reply.status_code == 200
    assert reply.json()["verdict"] == "up"
    assert give(http, house, told["answer_id"], BAD).json()["expected"] == "In April."
    (opinion,) = kept(house)
    assert (opinion.who, opinion.verdict, opinion.reason) == ("user:ada", "down", BAD["reason"])
    assert opinion.question is None
    assert withdraw(http, house, told["answer_id"]).status_code == 204
    assert kept(house) == []
    assert withdraw(http, house, told["answer_id"]).status_code == 204


@pytest.mark.parametrize("who", ["bob", "root"])
def test_to_nobody_else_there_is_an_answer(http: TestClient, house: House, who: str):
    told = ask(http, house)
    give(http, house, told["answer_id"], GOOD)
    for change in (
        lambda name: give(http, house, name, BAD, who),
        lambda name: withdraw(http, house, name, who),
    ):
        theirs, absent = change(told["answer_id"]), change("zzzzzzzzzzzzzzzzzzzzzz")
        assert theirs.status_code == absent.status_code == 404
        one, other = theirs.json(), absent.json()
        assert {**one, "instance": ""} == {**other, "instance": ""}
    (opinion,) = kept(house)
    assert opinion.verdict == "up"


def test_the_name_of_somebody_who_left_brings_nobody_to_their_answers(
    http: TestClient, house: House
):
    told = ask(http, house)
    house.catalog.people.remove_user("ada", by=TESTER)
    house.catalog.people.add_user("ada", by=TESTER)
    house.keys["ada"] = house.catalog.keys.issue("ada", scopes=("ask",), by=TESTER).secret
    assert give(http, house, told["answer_id"], GOOD).status_code == 404


def test_a_key_that_no_longer_holds_says_nothing(http: TestClient, house: House):
    told = ask(http, house)
    house.catalog.keys.revoke(house.keys["ada"].split("_")[1], by=TESTER)
    assert give(http, house, told["answer_id"], GOOD).status_code == 401
    assert kept(house) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verdict": "maybe"},
        {"verdict": "up", "stars": 5},
        {"verdict": "up", "reason": "a" * 1_001},
        {"verdict": "up", "reason": "\u200b"},
        {"verdict": "up", "expected": "a\x00" * 1_001},
    ],
)
def test_what_is_no_opinion_is_refused(http: TestClient, house: House, body: Any):
    told = ask(http, house)
    assert give(http, house, told["answer_id"], body).status_code == 422
    assert kept(house) == []


# --- what is kept of it -------------------------------------------------------------------------


def test_the_question_is_kept_only_if_it_is_sent_along(http: TestClient, house: House):
    told = ask(http, house)
    give(http, house, told["answer_id"], GOOD | QUESTION)
    assert [each.question for each in kept(house)] == [QUESTION["question"]]
    give(http, house, told["answer_id"], GOOD)  # changed: nothing of before is left
    assert [each.question for each in kept(house)] == [None]


def test_the_record_tells_the_verdict_and_no_words(http: TestClient, house: House):
    told = ask(http, house)
    give(http, house, told["answer_id"], BAD | QUESTION)
    withdraw(http, house, told["answer_id"])
    given, withdrawn = [each for each in changes(house) if each["subject"] == told["answer_id"]]
    assert given["after"] == {"verdict": "down", "question_kept": True}
    assert (given["what"], withdrawn["what"]) == ("feedback.given", "feedback.withdrawn")
    for words in (BAD["reason"], BAD["expected"], QUESTION["question"]):
        assert words not in json.dumps(changes(house))


def test_it_goes_with_the_record_of_the_answer(http: TestClient, house: House):
    told = ask(http, house)
    give(http, house, told["answer_id"], GOOD)
    key = load_key(house.settings.home)
    with closing(house.catalog.open_trail()) as trail:
        books = house.catalog.books(trail)
        books.prune(datetime.now(UTC) - timedelta(days=1), key, by=TESTER)
        assert len(kept(house)) == 1
        books.prune(datetime.now(UTC) + timedelta(seconds=1), key, by=TESTER)
    assert kept(house) == []


# --- for operators ------------------------------------------------------------------------------


def test_operators_see_what_was_said_and_that_they_looked_is_recorded(
    http: TestClient, house: House, command: Any
):
    told = ask(http, house)
    give(http, house, told["answer_id"], BAD)
    line = command("list")
    assert told["answer_id"] in line
    assert "expected: In April." in line
    assert json.loads(command("list", "--json"))[0]["verdict"] == "down"
    assert command("list", "--since", "2999-01-01").strip() == ""
    assert next(each["after"] for each in changes(house) if each["what"] == "feedback.read") == {
        "opinions": 1
    }


def test_a_good_answer_becomes_a_question_that_can_be_measured_with(
    http: TestClient, house: House, command: Any, tmp_path: Path
):
    told, nothing = ask(http, house), ask(http, house, "ada", question="Who feeds the zebra?")
    assert told["citations"]
    give(http, house, told["answer_id"], GOOD | QUESTION | {"expected": "In March."})
    give(http, house, nothing["answer_id"], GOOD | {"question": "Who feeds the zebra?"})
    file = tmp_path / "set.jsonl"
    assert "2 questions" in command("export", file)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert lines[0] == {
        "id": told["answer_id"],
        "question": QUESTION["question"],
        "user": "ada",
        "answerable": True,
        "documents": ["salaries.txt"],
        "answers": ["In March."],
    }
    assert lines[1]["answerable"] is (not nothing["abstained"])
    assert "heliotrope" not in file.read_text(encoding="utf-8")
    given = load_set(file, lambda user: frozenset({"salaries.txt", "menu.txt"}), ["user:ada"])
    assert next(case.answerable for case in given.cases) is True


def test_other_answers_are_left_out_and_told(
    http: TestClient, house: House, command: Any, tmp_path: Path
):
    bad, silent, gone = ask(http, house), ask(http, house), ask(http, house)
    give(http, house, bad["answer_id"], BAD | QUESTION)
    give(http, house, silent["answer_id"], GOOD)
    give(http, house, gone["answer_id"], GOOD | QUESTION)
    house.catalog.documents.delete("file:///house/salaries.txt", by=TESTER)
    file, review = tmp_path / "set.jsonl", tmp_path / "review.jsonl"
    told = json.loads(command("export", file, "--review", review, "--json"))
    assert told["questions"] == 0
    assert told["left_out"] == {
        "the answer was not good": 1,
        "the question was not kept": 1,
        "the documents that it cited are gone": 1,
    }
    (line,) = review.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["expected"] == "In April."


def test_that_nothing_was_cited_is_not_told_as_documents_that_are_gone(
    http: TestClient, house: House, command: Any, tmp_path: Path
):
    greeted = ask(http, house, question="Hello!")
    give(http, house, greeted["answer_id"], GOOD | {"question": "Hello!"})
    told = json.loads(command("export", tmp_path / "set.jsonl", "--json"))
    assert told["left_out"] == {"it cited no document": 1}


def test_a_recorded_question_need_not_be_sent_along(
    http: TestClient, house: House, command: Any, tmp_path: Path
):
    object.__setattr__(house.settings, "audit_questions", True)
    with TestClient(house.app) as keeping:
        told = ask(keeping, house)
        give(keeping, house, told["answer_id"], GOOD)
    command("export", tmp_path / "set.jsonl")
    line = json.loads((tmp_path / "set.jsonl").read_text(encoding="utf-8"))
    assert line["question"] == QUESTION["question"]
