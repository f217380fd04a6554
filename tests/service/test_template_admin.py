"""Templates over HTTP and from the command line; positions of answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from service.cli.templates import app
from tests.service.test_http_hostile import TEMPLATES, check

QUESTION = {"question": "When do salaries rise?"}
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "templates" / "support-en.yaml"
SAVE: dict[str, Any] = TEMPLATES["/admin/templates"]


def post(http: TestClient, house: Any, at: str, body: Any, who: str = "root") -> Any:
    return http.post(at, json=body, headers=house.headers(who))


def test_a_template_goes_from_saved_to_active_and_back_while_the_service_runs(
    house: Any, http: TestClient
) -> None:
    def answered(**more: Any) -> Any:
        return post(http, house, "/ask", QUESTION | more, "ada").json()["template"]

    saved = post(http, house, "/admin/templates", SAVE)
    assert (saved.status_code, saved.json()["versions"][0]["label"]) == (201, "plain@1")
    assert answered() == "chat-en@1"
    active = post(
        http, house, "/admin/templates/plain/activate", {"version": 1, "audience": "group:hr"}
    ).json()
    assert [(each["audience"], each["version"]) for each in active["active"]] == [
        ("group:hr", "plain@1")
    ]
    assert (
        saved.json()["versions"][0]["saved_by"]
        == active["active"][0]["activated_by"]
        == "user:root"
    )
    assert answered() == "plain@1"
    assert answered(template="chat-en") == "chat-en@1"
    assert (
        post(http, house, "/ask", QUESTION | {"question": "Soup?"}, "bob").json()["template"]
        == "chat-en@1"
    )
    post(http, house, "/admin/templates/plain/rollback", {"audience": "group:hr"})
    assert answered() == "chat-en@1"
    listed = http.get("/admin/templates", headers=house.headers("root")).json()
    assert [(each["name"], each["versions"]) for each in listed["templates"]] == [("plain", 1)]
    assert "chat-zh@1" in listed["built_in"]
    shown = http.get("/admin/templates/chat-en", headers=house.headers("root")).json()
    assert shown["versions"][0]["saved_by"] is None


def test_a_hidden_template_and_none_are_the_same_problem(house: Any, http: TestClient) -> None:
    post(http, house, "/admin/templates", SAVE | {"readers": {"allow": ["group:eng"]}})
    post(http, house, "/admin/templates/plain/activate", {"version": 1})
    for stream in (False, True):
        told = []
        for name in ("plain", "plain@1", "nowhere", "nowhere@1", "PLAIN", "plain@0", "plain@x"):
            reply = post(
                http, house, "/ask", QUESTION | {"template": name, "stream": stream}, "ada"
            )
            told.append({**check(reply, 404), "instance": ""})
        assert all(problem == told[0] for problem in told)
    assert (
        post(http, house, "/ask", QUESTION | {"template": "plain"}, "bob").json()["template"]
        == "plain@1"
    )
    reply = post(http, house, "/ask", QUESTION | {"template": "plain"}, "root")
    check(reply, 404)


def test_what_cannot_be_saved_or_activated_is_a_clear_problem(house: Any, http: TestClient) -> None:
    bad = SAVE | {"draft": SAVE["draft"] | {"user": "{{ ''.__class__ }}"}}
    assert (
        "Nothing can be taken" in check(post(http, house, "/admin/templates", bad), 422)["detail"]
    )
    assert (
        "chat-en comes with"
        in check(post(http, house, "/admin/templates", SAVE | {"name": "chat-en"}), 422)["detail"]
    )
    nobody = {name: value for name, value in SAVE.items() if name != "readers"}
    assert "--allow" in check(post(http, house, "/admin/templates", nobody), 422)["detail"]
    check(post(http, house, "/admin/templates", SAVE | {"readers": {"allow": ["hr"]}}), 422)
    check(
        post(http, house, "/admin/templates", SAVE | {"draft": SAVE["draft"] | {"style": "poem"}}),
        422,
    )
    check(post(http, house, "/admin/templates/plain/activate", {"version": 1}), 404)
    check(post(http, house, "/admin/templates/plain/rollback", {}), 404)
    check(http.get("/admin/templates/plain", headers=house.headers("root")), 404)
    check(post(http, house, "/admin/templates/plain/activate", {"version": 1, "share": 2.0}), 422)
    assert http.get("/admin/templates", headers=house.headers("root")).json()["templates"] == []


def test_an_answer_tells_a_position_and_can_be_asked_for_one(house: Any, http: TestClient) -> None:
    ada = house.headers("ada")
    reply = http.post("/ask", json=QUESTION, headers=ada)
    position = reply.headers["clearance-position"]
    assert (
        http.post("/ask", json=QUESTION, headers=ada | {"Clearance-At-Least": position}).status_code
        == 200
    )
    assert (
        http.post(
            "/search", json=QUESTION, headers=ada | {"Clearance-At-Least": position}
        ).status_code
        == 200
    )
    check(http.post("/ask", json=QUESTION, headers=ada | {"Clearance-At-Least": "tomorrow"}), 422)
    nothing = http.post("/ask", json={"question": "zebra", "mode": "keyword"}, headers=ada)
    assert (nothing.json()["abstained"], bool(nothing.headers["clearance-position"])) == (
        True,
        True,
    )


def test_a_follow_up_over_http_shows_what_was_searched_for(house: Any, http: TestClient) -> None:
    history = [
        {"role": "user", "content": "When do salaries rise?"},
        {"role": "assistant", "content": "In March [1]."},
    ]
    body = {"question": "And why?", "history": history, "answerer": "quotes"}
    said = http.post("/ask", json=body, headers=house.headers("ada")).json()["standalone_question"]
    assert said == "And why? (salaries rise)"
    streamed = http.post("/ask", json=body | {"stream": True}, headers=house.headers("ada")).text
    passages = json.loads(streamed.split("data: ")[1].split("\n")[0])
    assert passages["standalone_question"] == said
    assert (
        http.post("/ask", json=QUESTION, headers=house.headers("ada")).json()["standalone_question"]
        is None
    )


def test_the_command_line_saves_shows_activates_and_rolls_back(
    house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_HOME", str(house.settings.home))

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert "support-en@1 is saved" in run(
        "save", str(EXAMPLE), "--allow", "group:hr", "--deny", "user:bob"
    )
    again = tmp_path / "again.yaml"
    again.write_text(run("show", "support-en"), encoding="utf-8")
    assert "support-en@1 is saved" in run("save", str(again), "--name", "support-en"), (
        "what is shown can be saved"
    )
    again.write_text(run("show", "base-zh@1"), encoding="utf-8")
    assert "mine@1 is saved" in run("save", str(again), "--name", "mine", "--allow", "public")
    changed = again.read_text(encoding="utf-8").replace("港口收费", "码头收费")
    again.write_text(changed, encoding="utf-8")
    assert "mine@2 is saved" in run("save", str(again), "--name", "mine")
    run("activate", "mine@1", "--for", "default", "--candidate", "mine@2", "--share", "0.1")
    run("activate", "support-en@1", "--for", "group:hr")
    listed = run("list")
    assert "default: mine@1, 10% get mine@2 (by cli:" in listed
    assert "by cli:" in run("show", "mine@1")
    assert "support-en  chat  en  1 versions  group:hr, not user:bob" in listed
    assert len(json.loads(run("list", "--json"))["active"]) == 2
    run("readers", "support-en", "--allow", "public")
    assert "What comes built in" in run("rollback", "support-en", "--for", "group:hr")
    assert "码头" in run("show", "mine")
    assert "码头" not in run("show", "mine@1")
