"""How much somebody may ask, counted in the process and in a real Redis."""

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from indexes.errors import BadConfiguration, CatalogUnavailable
from indexes.settings import Quota, Settings, load
from service.app import create_app
from service.testing.loopback import Loopback
from service.testing.models import words_without_loop
from tests.service.conftest import House, readers
from tests.service.test_http_leaving import post, wait
from tests.world import TESTER

QUESTION = {"question": "When do salaries rise?"}
SEARCHES = Quota(name="searches", of="user", requests="3/hour")
Limited = Callable[..., TestClient]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("*** redis-server is not installed: counting in Redis is NOT TESTED ***")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir"]
    server = subprocess.Popen([*command, str(folder)], stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("redis-server does not listen")


@pytest.fixture
def limited(house: House) -> Iterator[Limited]:
    """The house with quotas."""
    opened: list[Any] = []

    def open_house(*quotas: Quota, storage: str = "memory") -> TestClient:
        client = TestClient(limited_app(house, *quotas, storage=storage))
        opened.append(client)
        return client.__enter__()

    yield open_house
    for client in opened:
        client.__exit__(None, None, None)


def limited_app(house: House, *quotas: Quota, storage: str) -> FastAPI:
    settings = Settings(home=house.settings.home, quotas=quotas, quota_storage=storage)
    return create_app(settings, embedder=house.embedder, model=house.model, catalog=house.catalog)


def search(http: TestClient, house: House, who: str) -> Any:
    return http.post("/search", json=QUESTION, headers=house.headers(who))


def statuses(http: TestClient, house: House, who: str, times: int) -> list[int]:
    return [search(http, house, who).status_code for _ in range(times)]


def test_a_user_gets_as_much_as_the_quota_says_and_others_are_not_touched(
    house: House, limited: Limited
):
    http = limited(SEARCHES)
    assert statuses(http, house, "ada", 5) == [200, 200, 200, 429, 429]
    assert statuses(http, house, "bob", 1) == [200]
    told = search(http, house, "ada")
    assert told.json()["type"] == "/problems/quota-spent"
    assert 1 <= int(told.headers["retry-after"]) <= 3600
    assert told.headers["ratelimit"].startswith('"searches-requests";r=0;t=')


def test_replies_tell_what_is_left_of_the_nearest_budget(house: House, limited: Limited):
    http = limited(SEARCHES, Quota(name="much", of="user", requests="100/minute"))
    told = search(http, house, "ada")
    assert told.headers["ratelimit-policy"] == '"searches-requests";q=3;w=3600'
    assert told.headers["ratelimit"].startswith('"searches-requests";r=2;t=')


def test_a_key_has_a_quota_of_its_own(house: House, limited: Limited):
    http = limited(Quota(name="keys", of="key", requests="1/hour"))
    assert statuses(http, house, "ada", 2) == [200, 429]
    house.keys["ada"] = house.catalog.keys.issue("ada", by=TESTER).secret
    assert statuses(http, house, "ada", 2) == [200, 429]


def test_members_of_a_group_share_and_others_do_not_count(house: House, limited: Limited):
    house.catalog.people.add_member("eng", "user:ada", by=TESTER)
    http = limited(Quota(name="engineers", of="group:eng", requests="2/hour"))
    assert statuses(http, house, "ada", 1) + statuses(http, house, "bob", 2) == [200, 200, 429]
    assert "ratelimit" not in search(http, house, "root").headers
    house.catalog.people.remove_member("eng", "user:ada", by=TESTER)
    assert statuses(http, house, "ada", 1) == [200]


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_are_counted_after_the_answer(house: House, limited: Limited, stream: bool):
    http = limited(Quota(name="models", of="user", tokens="10/day"))
    body = QUESTION | {"stream": stream}
    told = http.post("/ask", json=body, headers=house.headers("ada"))
    assert told.status_code == 200
    assert http.post("/ask", json=body, headers=house.headers("ada")).status_code == 429
    assert http.post("/ask", json=body, headers=house.headers("bob")).status_code == 200


def test_quotes_take_no_tokens(house: House, limited: Limited):
    http = limited(Quota(name="models", of="user", tokens="10/day"))
    body = QUESTION | {"answerer": "quotes"}
    asked = [http.post("/ask", json=body, headers=house.headers("ada")) for _ in range(3)]
    assert [each.status_code for each in asked] == [200, 200, 200]


def test_a_wrong_key_is_refused_before_anything_is_counted(house: House, limited: Limited):
    http = limited(SEARCHES)
    wrong = {"Authorization": "Bearer clr_000000000000_" + "A" * 43}
    for _ in range(2):
        told = http.post("/search", json=QUESTION, headers=wrong)
        assert told.status_code == 401
        assert "ratelimit" not in told.headers


def test_hidden_documents_change_nothing_of_what_is_told(house: House, limited: Limited):
    http = limited(Quota(name="much", of="user", requests="1000/day"))
    before = search(http, house, "bob").headers["ratelimit"].partition(";t=")[0]
    house.put("secret", "More salaries.", readers("user:ada"))
    after = search(http, house, "bob").headers["ratelimit"].partition(";t=")[0]
    assert (before, after) == ('"much-requests";r=999', '"much-requests";r=998')


def test_processes_count_together_in_redis(house: House, limited: Limited, redis: str):
    one, other = (limited(SEARCHES, storage=redis) for _ in range(2))
    assert statuses(one, house, "ada", 2) + statuses(other, house, "ada", 2) == [200, 200, 200, 429]


def test_without_redis_each_process_counts_for_itself(
    house: House, limited: Limited, caplog: pytest.LogCaptureFixture
):
    http = limited(SEARCHES, storage="redis://127.0.0.1:1")
    assert statuses(http, house, "ada", 4) == [200, 200, 200, 429]
    told = [r for r in caplog.records if "quotas are counted in this process" in r.message]
    assert len(told) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        '[{"name": "a", "of": "user", "requests": "many"}]',
        '[{"name": "a", "of": "everybody", "requests": "1/day"}]',
        '[{"name": "a", "of": "user"}, {"name": "a", "of": "key"}]',
        '[{"of": "user"}]',
        "[",
    ],
)
def test_a_quota_that_means_nothing_is_refused_at_the_start(wrong: str, tmp_path: Path):
    with pytest.raises(BadConfiguration, match="CLEARANCE_QUOTAS"):
        load({"CLEARANCE_QUOTAS": wrong, "CLEARANCE_HOME": str(tmp_path)}, env_file=None)


def test_a_quota_is_read_from_the_environment(tmp_path: Path):
    given = json.dumps([{"name": "a", "of": "group:hr", "tokens": "5/day"}])
    read = load({"CLEARANCE_QUOTAS": given, "CLEARANCE_HOME": str(tmp_path)}, env_file=None)
    assert read.quotas == (Quota(name="a", of="group:hr", tokens="5/day"),)


def test_usage_is_summed_up_for_operators(house: House, http: TestClient):
    search(http, house, "ada")
    told = http.post("/ask", json=QUESTION, headers=house.headers("ada")).json()
    http.get(f"/documents/{house.ids['menu']}", headers=house.headers("bob"))
    found = http.get("/admin/usage", headers=house.headers("root")).json()["users"]
    assert found == [
        {
            "user": "user:ada",
            "answers": 1,
            "abstained": 0,
            "searches": 1,
            "opened": 0,
            "prompt_tokens": told["usage"]["prompt_tokens"],
            "completion_tokens": told["usage"]["completion_tokens"],
        },
        {
            "user": "user:bob",
            "answers": 0,
            "abstained": 0,
            "searches": 0,
            "opened": 1,
            "prompt_tokens": 0,
            "completion_tokens": 0,
        },
    ]
    assert http.get("/admin/usage", headers=house.headers("ada")).status_code == 403


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_before_the_end_has_spent_what_the_model_was_given(house: House, stream: bool):
    """Whoever closes each stream before its last event would ask for nothing otherwise."""
    house.model.reply, house.model.delay_s = words_without_loop(300), 0.2
    quota = Quota(name="words", of="user", tokens="10/day")
    with Loopback(limited_app(house, quota, storage="memory"), "on") as server:
        line = post(server.url, house, QUESTION | {"stream": stream})
        wait(lambda: house.model.running == 1)
        line.close()
        wait(lambda: house.model.running == 0)
        house.model.delay_s = 0.0
        asked = lambda: httpx2.post(  # noqa: E731
            f"{server.url}/search", json=QUESTION, headers=house.headers("ada")
        )
        wait(lambda: asked().status_code == 429)


def test_making_a_question_stand_alone_is_spent_too(house: House, limited: Limited):
    http = limited(Quota(name="words", of="user", tokens="100000/day"))
    history = [{"role": "user", "content": "Who decides on salaries?"}]
    history += [{"role": "assistant", "content": "The board. " * 100}]
    plain = _spent(http, house, QUESTION)
    leaning = _spent(http, house, {"question": "And when?", "history": history})
    assert leaning > plain + 200


def _spent(http: TestClient, house: House, body: dict[str, Any]) -> int:
    def left() -> int:
        return int(re.findall(r"r=(\d+)", search(http, house, "ada").headers["ratelimit"])[0])

    before = left()
    told = http.post("/ask", json=body, headers=house.headers("ada"))
    assert told.status_code == 200, told.text
    return before - left()


def test_a_catalog_out_of_reach_is_told_as_everywhere(
    house: House, limited: Limited, monkeypatch: pytest.MonkeyPatch
):
    http = limited(Quota(name="hr", of="group:hr", requests="2/hour"))

    def fail(*_: Any) -> Any:
        raise CatalogUnavailable

    monkeypatch.setattr(type(house.catalog), "groups_of", fail)
    assert search(http, house, "ada").status_code == 503


def test_what_an_assistant_asks_counts_and_its_many_names_share_one_quota(
    house: House, limited: Limited
):
    """By another protocol, another key, and a program that asks as somebody: it is one user."""
    http = limited(Quota(name="words", of="user", tokens="10/day"))
    call = {"name": "ask", "arguments": QUESTION}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    accept = {"Accept": "application/json, text/event-stream"}
    told = http.post("/mcp", json=body, headers=house.headers("ada") | accept)
    assert "salaries" in told.text.lower()
    another = house.catalog.keys.issue("ada", by=TESTER).secret
    program = house.catalog.keys.issue("root", scopes=("ask", "act-as"), by=TESTER).secret
    for headers in (
        house.headers("ada"),
        {"Authorization": f"Bearer {another}"},
        {"Authorization": f"Bearer {program}", "Clearance-Act-As": "ada"},
    ):
        assert http.post("/search", json=QUESTION, headers=headers).status_code == 429
    assert search(http, house, "bob").status_code == 200


def test_who_is_refused_takes_nothing_from_others(house: House, limited: Limited):
    """One member who goes on asking could shut out the whole group."""
    house.catalog.people.add_member("eng", "user:ada", by=TESTER)
    shared = Quota(name="engineers", of="group:eng", requests="6/hour")
    http = limited(shared, SEARCHES)
    assert statuses(http, house, "ada", 20) == [200] * 3 + [429] * 17
    assert statuses(http, house, "bob", 4) == [200, 200, 200, 429]
