"""A program may ask as one user: with that one's rights, and with nothing else."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes.errors import NotAuthenticated
from indexes.model import Actor, Principal
from tests.world import TESTER

QUESTION = {
    "question": "When do salaries rise, when does the engine ship, and what is soup?",
    "k": 9,
}


@pytest.fixture
def bot(house: Any) -> dict[str, str]:
    """A program that is in a group of its own, and may administer too."""
    people = house.catalog.people
    people.add_user("bot", by=TESTER)
    people.add_member("eng", "user:bot", by=TESTER)
    scopes = ["ask", "act-as", "admin"]
    house.keys["bot"] = house.catalog.keys.issue("bot", scopes=scopes, by=TESTER).secret
    return dict(house.headers("bot"))


def as_bytes(bot: dict[str, str], *targets: bytes) -> list[tuple[bytes, bytes]]:
    key = [(name.encode(), value.encode()) for name, value in bot.items()]
    return [*key, *((b"clearance-act-as", target) for target in targets)]


def titles(reply: Any) -> set[str]:
    assert reply.status_code == 200, reply.text
    return {hit["title"] for hit in reply.json()["passages"]}


def test_it_reads_what_that_user_may_read_and_never_both(
    house: Any, http: TestClient, bot: dict[str, str]
) -> None:
    def search(**more: str) -> set[str]:
        return titles(http.post("/search", json=QUESTION, headers=bot | more))

    ada = house.catalog.keys.authenticate(house.keys["ada"])
    for _ in range(2):
        assert search() == {"Roadmap", "Menu"}
        for name in ("ada", "user:ada", f"#{ada.id}"):
            assert search(**{"Clearance-Act-As": name}) == {"Salaries", "Menu"}
    own = http.post("/search", json=QUESTION, headers=house.headers("ada"))
    as_her = http.post("/search", json=QUESTION, headers=bot | {"Clearance-Act-As": "ada"})
    assert as_her.content == own.content
    for name, status in (("salaries", 200), ("roadmap", 404)):
        address = f"/documents/{house.ids[name]}"
        assert http.get(address, headers=bot | {"Clearance-Act-As": "ada"}).status_code == status
    assert http.get("/whoami", headers=bot | {"Clearance-Act-As": "ada"}).json() == {
        "name": "user:ada",
        "scopes": ["ask"],
        "acted_by": "user:bot",
    }


def test_whom_it_cannot_ask_as_looks_the_same(
    house: Any, http: TestClient, bot: dict[str, str]
) -> None:
    people = house.catalog.people
    for user in ("gone", "off"):
        people.add_user(user, by=TESTER)
    people.remove_user("gone", by=TESTER)
    people.disable_user("off", by=TESTER)
    people.rename_user("bob", "robert", by=TESTER)
    wrong = ["nobody", "gone", "off", "bob", "group:hr", "public", "", "#", "#0", "#-1", "#1e3"]
    wrong += ["#999999999999999999999", "ada ", "Ada", "\u0430da", "user:", "ada,bob", "#٣"]
    replies = [
        http.post("/search", json=QUESTION, headers=as_bytes(bot, name.encode())) for name in wrong
    ]
    assert {reply.status_code for reply in replies} == {403}
    assert len({str(reply.json() | {"instance": ""}) for reply in replies}) == 1


def test_two_names_or_no_text_are_refused(http: TestClient, bot: dict[str, str]) -> None:
    for names in ((b"ada", b"ada"), (b"ada", b"bob"), (b"\xff",)):
        reply = http.post("/search", json=QUESTION, headers=as_bytes(bot, *names))
        assert reply.status_code == 403


@pytest.mark.parametrize("scopes", [["ask"], ["admin"], ["ask", "admin", "people", "operate"]])
def test_only_a_key_with_that_scope_may(house: Any, http: TestClient, scopes: list[str]) -> None:
    key = house.catalog.keys.issue("root", scopes=scopes, by=TESTER).secret
    headers = {"Authorization": f"Bearer {key}", "Clearance-Act-As": "ada"}
    for _ in range(2):
        assert http.post("/search", json=QUESTION, headers=headers).status_code == 403


def test_nothing_but_asking_is_done_so(house: Any, http: TestClient, bot: dict[str, str]) -> None:
    for method, path in (
        ("GET", "/admin/templates"),
        ("GET", "/admin/keys"),
        ("POST", "/admin/index/rebuild"),
        ("GET", "/metrics"),
        ("DELETE", f"/documents/{house.ids['menu']}"),
    ):
        assert "not-permitted" not in http.request(method, path, headers=bot).text, path
        for target in ("ada", "root", "bot"):
            headers = bot | {"Clearance-Act-As": target}
            told = http.request(method, path, headers=headers)
            assert told.json()["type"] == "/problems/not-permitted", path


def test_it_ends_with_the_key_the_scope_the_program_and_the_user(
    house: Any, http: TestClient, bot: dict[str, str]
) -> None:
    catalog = house.catalog
    key = house.keys["bot"].split("_")[1]
    ada = catalog.keys.authenticate(house.keys["ada"])
    acting = Principal(name="user:ada", id=ada.id, key=key, acted_by="user:bot")
    (hit, *_) = house.app.state.runtime.searcher.search("soup", acting, 3).hits

    def refused(who: Principal) -> None:
        searcher = house.app.state.runtime.searcher
        for read in (
            lambda: searcher.search("soup", who, 3),
            lambda: searcher.document(hit.document_id, who),
            lambda: searcher.confirm(who),
        ):
            with pytest.raises(NotAuthenticated):
                read()

    for other in ("ada", "root"):  # keys without that scope
        its = house.keys[other].split("_")[1]
        refused(Principal(name="user:bob", id=ada.id + 1, key=its, acted_by=f"user:{other}"))
    catalog.people.disable_user("bot", by=TESTER)
    refused(acting)
    catalog.people.enable_user("bot", by=TESTER)
    catalog.people.disable_user("ada", by=TESTER)
    refused(acting)
    catalog.people.enable_user("ada", by=TESTER)
    assert house.app.state.runtime.searcher.search("soup", acting, 3).hits
    catalog.keys.revoke(key, by=TESTER)
    refused(acting)


def test_what_is_changed_so_is_changed_by_the_program() -> None:
    acting = Principal(name="user:ada", acted_by="user:bot")
    assert Actor.of(acting).name == "user:bot"
