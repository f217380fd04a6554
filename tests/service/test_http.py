"""What a caller with a key gets, address by address."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastapi import FastAPI
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import SecretStr
from starlette.testclient import TestClient

from indexes.catalog import Catalog
from indexes.derived import precedence as precedence_module
from indexes.embedder import Embedder
from indexes.errors import GeneratorBroken, GeneratorError, GeneratorTimeout, GeneratorUnavailable
from indexes.model import Readers
from service.operating.logs import JsonFormatter
from service.testing.models import ScriptedModel
from tests.world import TESTER

QUESTION = {"question": "When do salaries rise?"}
ALL = Readers(allow=frozenset({"public"}))


# --- asking -------------------------------------------------------------------------------------


def test_an_answer_cites_the_passage_it_rests_on(house: Any, http: TestClient) -> None:
    reply = http.post("/ask", json=QUESTION, headers=house.headers("ada")).json()
    assert reply["answer"] == "Salaries rise in March [1]."
    cited = reply["citations"][0]
    assert (cited["n"], cited["title"], cited["page"]["number"]) == (1, "Salaries", 1)
    whole = http.get(f"/documents/{cited['document_id']}", headers=house.headers("ada")).json()[
        "text"
    ]
    assert whole[cited["start"] : cited["end"]] == cited["quote"]


def test_an_answer_says_what_it_was_made_of(house: Any, http: TestClient) -> None:
    reply = http.post("/ask", json=QUESTION, headers=house.headers("ada")).json()
    assert reply["usage"]["prompt_tokens"] == reply["usage"]["counted_prompt_tokens"]
    assert (reply["model"], reply["answerer"], reply["abstained"]) == ("scripted", "model", False)
    budget = reply["budget"]
    taken = sum(share["tokens"] for share in budget["passages"])
    parts = [budget[name] for name in ("answer", "template", "question", "history", "unused")]
    assert sum(parts) + taken == budget["window"] == 4096


def test_what_was_left_out_is_named_with_its_place(house: Any, http: TestClient) -> None:
    house.put(
        "pay", "Salaries rise in March by three per cent. The secret word is heliotrope.", ALL
    )
    reply = http.post("/ask", json=QUESTION, headers=house.headers("ada")).json()
    (left,) = reply["budget"]["left_out"]
    assert left["title"] in ("Pay", "Salaries")
    assert (left["reason"], left["pages"]) == (
        "duplicate",
        [{"number": 1, "name": None, "kind": "page"}],
    )
    assert left["document_id"] in (house.ids["pay"], house.ids["salaries"])
    opened = http.get(f"/passages/{left['passage_id']}", headers=house.headers("ada")).json()
    assert opened["passage"]["title"] == left["title"]


def test_who_may_not_read_it_gets_nothing_of_it(house: Any, http: TestClient) -> None:
    for body in (QUESTION, QUESTION | {"stream": True}, QUESTION | {"answerer": "quotes"}):
        reply = http.post("/ask", json=body, headers=house.headers("bob"))
        assert reply.status_code == 200
        assert "heliotrope" not in reply.text
        # what the scripted model says
        assert "Salaries" not in reply.text.replace("Salaries rise in March", "")


def test_the_model_is_shown_nothing_the_caller_may_not_read(house: Any, http: TestClient) -> None:
    http.post("/ask", json=QUESTION, headers=house.headers("bob"))
    assert house.model.calls
    assert "heliotrope" not in str(house.model.calls)


def test_quotes_answer_without_the_model(house: Any, http: TestClient) -> None:
    reply = http.post(
        "/ask", json=QUESTION | {"answerer": "quotes"}, headers=house.headers("ada")
    ).json()
    assert "Salaries rise in March" in reply["answer"]
    assert (reply["model"], reply["usage"], house.model.calls) == (None, None, [])


def test_a_question_in_another_script_is_answered(house: Any, http: TestClient) -> None:
    for question in ("工资什么时候上涨？", "متى ترتفع الرواتب؟", "🙂 salaries?"):
        assert (
            http.post("/ask", json={"question": question}, headers=house.headers("ada")).status_code
            == 200
        )


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (GeneratorUnavailable("10.0.0.7:8000"), 503),
        (GeneratorTimeout(), 504),
        (GeneratorBroken("bad"), 502),
    ],
)
def test_a_failing_model_is_a_problem_and_search_goes_on(
    house: Any, http: TestClient, failure: GeneratorError, status: int
) -> None:
    house.model.failure = failure
    reply = http.post("/ask", json=QUESTION, headers=house.headers("ada"))
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in reply.headers) == (status != 502)
    assert "10.0.0.7" not in reply.text
    assert http.post("/search", json=QUESTION, headers=house.headers("ada")).status_code == 200


def test_quotes_stand_in_for_a_failing_model_where_the_caller_allows_it(
    house: Any, http: TestClient
) -> None:
    house.model.failure = GeneratorUnavailable()
    reply = http.post(
        "/ask", json=QUESTION | {"fallback": "quotes"}, headers=house.headers("ada")
    ).json()
    assert reply["answerer"] == "quotes"
    assert reply["notice"]


# --- searching ----------------------------------------------------------------------------------


def test_search_finds_what_the_caller_may_read_and_nothing_else(
    house: Any, http: TestClient
) -> None:
    found = {
        name: {
            hit["title"]
            for hit in http.post("/search", json=QUESTION, headers=house.headers(name)).json()[
                "passages"
            ]
        }
        for name in ("ada", "bob", "root")
    }
    assert found == {"ada": {"Salaries", "Menu"}, "bob": {"Roadmap", "Menu"}, "root": {"Menu"}}


def test_the_same_search_again_is_not_sent_again(house: Any, http: TestClient) -> None:
    first = http.post("/search", json=QUESTION, headers=house.headers("ada"))
    assert first.headers["cache-control"] == "private, no-cache"
    again = house.headers("ada") | {"If-None-Match": f'W/"x", {first.headers["etag"]}'}
    second = http.post("/search", json=QUESTION, headers=again)
    assert (second.status_code, second.content, second.headers["etag"]) == (
        304,
        b"",
        first.headers["etag"],
    )
    assert http.post("/search", json=QUESTION | {"k": 1}, headers=again).status_code == 200
    assert (
        http.post("/search", json=QUESTION, headers=again | house.headers("bob")).status_code == 200
    )


def test_hidden_documents_change_no_byte_of_a_search(house: Any, http: TestClient) -> None:
    before = http.post("/search", json=QUESTION, headers=house.headers("bob"))
    house.put(
        "bonus",
        "Salaries rise twice. Salaries rise in May.",
        Readers(allow=frozenset({"group:hr"})),
    )
    after = http.post("/search", json=QUESTION, headers=house.headers("bob"))
    assert (before.content, before.headers["etag"]) == (after.content, after.headers["etag"])
    house.put("bonus", "Salaries rise twice. Salaries rise in May.", ALL)
    assert (
        http.post("/search", json=QUESTION, headers=house.headers("bob")).headers["etag"]
        != before.headers["etag"]
    )


def test_filters_narrow_a_search(house: Any, http: TestClient) -> None:
    body = QUESTION | {
        "filters": {"path_prefix": "menu", "media_types": ["text/plain"], "metadata": {}}
    }
    found = http.post("/search", json=body, headers=house.headers("ada")).json()["passages"]
    assert [hit["title"] for hit in found] == ["Menu"]


# --- opening ------------------------------------------------------------------------------------


def test_a_passage_opens_inside_its_document(house: Any, http: TestClient) -> None:
    text = "Before. " * 400 + "The needle." + " After." * 400
    house.put("long", text, ALL)
    found = http.post(
        "/search", json={"question": "needle", "mode": "keyword"}, headers=house.headers("bob")
    )
    hit = found.json()["passages"][0]
    opened = http.get(f"/passages/{hit['id']}", headers=house.headers("bob")).json()
    at = opened["highlight"]
    assert opened["text"][at["start"] : at["end"]] == hit["text"]
    assert text[opened["text_start"] :].startswith(opened["text"])
    assert opened["characters"] == len(text)


def test_a_document_can_be_read_piece_by_piece(house: Any, http: TestClient) -> None:
    at = f"/documents/{house.ids['menu']}"
    whole = http.get(at, headers=house.headers("ada")).json()
    pieces = [
        http.get(at, params={"start": start, "length": 7}, headers=house.headers("ada")).json()[
            "text"
        ]
        for start in range(0, whole["characters"] + 7, 7)
    ]
    assert "".join(pieces) == whole["text"]


def test_absent_and_forbidden_look_the_same(house: Any, http: TestClient) -> None:
    passage = http.post("/search", json=QUESTION, headers=house.headers("ada")).json()["passages"][
        0
    ]["id"]
    tried = [
        f"/documents/{house.ids['salaries']}",
        "/documents/AAAAAAAAAAAAAAAAAAAA",
        f"/passages/{passage}",
        "/passages/AAAAAAAAAAAAAAAAAAAA",
        "/passages/%00",
        "/documents/" + "x" * 5000,
        "/documents/'%20OR%201=1",
        "/nothing/at/all",
    ]
    replies = [http.get(at, headers=house.headers("bob")) for at in tried]
    assert {reply.status_code for reply in replies} == {404}
    bodies = {json.dumps(reply.json() | {"instance": ""}) for reply in replies}
    assert len(bodies) == 1
    headers = {
        tuple((name, "" if name == "x-request-id" else value) for name, value in r.headers.items())
        for r in replies
    }
    assert len(headers) == 1


def test_a_revoked_reader_is_refused_at_the_next_request(house: Any, http: TestClient) -> None:
    at = f"/documents/{house.ids['salaries']}"
    assert http.get(at, headers=house.headers("ada")).status_code == 200
    house.catalog.people.remove_member("hr", "user:ada", by=TESTER)
    assert http.get(at, headers=house.headers("ada")).status_code == 404
    assert (
        "heliotrope" not in http.post("/search", json=QUESTION, headers=house.headers("ada")).text
    )


# --- the service itself -------------------------------------------------------------------------


def test_ready_means_that_it_can_search(house: Any, http: TestClient) -> None:
    assert http.get("/livez").json() == {"status": "live"}
    assert http.get("/readyz").json()["status"] == "ready"
    house.model.failure = GeneratorUnavailable()
    degraded = http.get("/readyz")
    assert (degraded.status_code, degraded.json()["status"]) == (200, "degraded")
    assert degraded.json()["checks"]["model"] == "unavailable"


def test_a_catalog_out_of_reach_is_not_ready_and_lets_nobody_in(
    house: Any, http: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the disk of db-7 is gone")

    monkeypatch.setattr(house.catalog._database, "_translating_errors", broken)
    for _ in range(100):
        reply = http.get("/readyz")
        if reply.status_code == 503:
            break
        time.sleep(0.1)
    assert (reply.status_code, reply.json()["checks"]["catalog"]) == (503, "not ready")
    said = [
        record
        for record in caplog.records
        if record.name == "clearance.health" and record.levelname == "ERROR"
    ]
    assert len(said) == 1, "it is logged once, and not at every look"
    asked = http.post("/search", json=QUESTION, headers=house.headers("ada"))
    assert (asked.status_code, asked.json()["type"]) == (500, "/problems/internal-error")
    assert "db-7" not in asked.text
    assert http.get("/livez").status_code == 200


def test_open_addresses_look_at_nothing(
    house: Any, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes longer after somebody has written must not be done for who has no key."""
    by_the_process = house.app.state.runtime.health
    monkeypatch.setattr(by_the_process, "_check_catalog", lambda: None)
    time.sleep(0.05)  # a look may be under way

    def looked(*_: object, **__: object) -> None:
        raise AssertionError("the catalog was read")

    monkeypatch.setattr(house.catalog._database, "_translating_errors", looked)
    monkeypatch.setattr(house.app.state.runtime.searcher.corpus, "latest", looked)
    for at in (
        "/livez",
        "/readyz",
        "/version",
        "/docs",
        "/openapi.json",
        "/",
        "/problems/not-found",
    ):
        assert http.get(at).status_code == 200, at


def test_timings_of_a_reply_are_coarse(house: Any, http: TestClient) -> None:
    timings = http.post("/ask", json=QUESTION, headers=house.headers("ada")).json()["timings"]
    steps = {0, *(base * 10**power for base in (1, 2, 5) for power in range(1, 6))} - {10, 20}
    assert {value for value in timings.values() if value is not None} <= steps


def test_open_addresses_tell_nothing_of_what_is_held(house: Any, http: TestClient) -> None:
    http.post("/ask", json=QUESTION, headers=house.headers("ada"))
    open_to_all = ("/livez", "/readyz", "/version", "/docs", "/openapi.json")
    before = {at: http.get(at).text for at in open_to_all}
    for number in range(5):
        house.put(f"extra {number}", f"Number {number}.", ALL)
    http.post("/search", json=QUESTION, headers=house.headers("ada"))
    for at in open_to_all:
        text = http.get(at).text
        assert not any(
            word in text
            for word in ("heliotrope", "Salaries", "salaries", "user:ada", house.ids["menu"])
        )
        assert text == before[at]
    text = http.get("/metrics", headers=house.headers("root")).text
    metrics = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if line[0] != "#"}
    assert not [
        name for name in metrics if "document" in name or "passage" in name or "user" in name
    ]


def test_metrics_count_requests_by_route(house: Any, http: TestClient) -> None:
    http.get(f"/documents/{house.ids['menu']}", headers=house.headers("ada"))
    text = http.get("/metrics", headers=house.headers("root")).text
    assert (
        'clearance_requests_total{method="GET",route="/documents/{document_id}",status="200"} 1.0'
        in text
    )


def test_metrics_are_for_operators_and_for_who_has_their_token(house: Any) -> None:
    from service.app import create_app

    settings = house.settings.model_copy(update={"metrics_token": SecretStr("a token for metrics")})
    app = create_app(settings, embedder=house.embedder, model=house.model, catalog=house.catalog)
    token = {"Authorization": "Bearer a token for metrics"}
    with TestClient(app) as http:
        assert http.get("/metrics", headers=token).status_code == 200
        assert http.get("/metrics", headers=house.headers("root")).status_code == 200
        assert http.get("/metrics", headers=house.headers("ada")).status_code == 403
        assert http.get("/metrics").status_code == 401
        assert (
            http.get("/metrics", headers={"Authorization": "Bearer a token for metric"}).status_code
            == 401
        )
        for at in ("/whoami", "/admin/models", "/metrics/", f"/documents/{house.ids['menu']}"):
            assert http.get(at, headers=token).status_code == 401, at


def test_the_reference_needs_nothing_from_elsewhere(house: Any, http: TestClient) -> None:
    page = http.get("/docs")
    assert page.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'sha256-"
    )
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    for path in http.get("/openapi.json").json()["paths"]:
        assert path in page.text


def test_replies_are_what_the_description_says(house: Any, http: TestClient) -> None:
    described = http.get("/openapi.json").json()
    ada, root = house.headers("ada"), house.headers("root")
    found = http.post("/search", json=QUESTION, headers=ada)
    replies = {
        "AskReply": http.post("/ask", json=QUESTION, headers=ada),
        "SearchReply": found,
        "DocumentReply": http.get(f"/documents/{house.ids['menu']}", headers=ada),
        "OpenedReply": http.get(f"/passages/{found.json()['passages'][0]['id']}", headers=ada),
        "JobReply": http.post("/admin/index/rebuild", headers=root),
        "CheckReply": http.get("/readyz"),
        "VersionReply": http.get("/version"),
        "LiveReply": http.get("/livez"),
        "ProblemReply": http.post("/ask", json={"question": 1}, headers=ada),
    }
    for name, reply in replies.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        jsonschema.validate(reply.json(), schema)
        assert set(reply.json()) <= set(described["components"]["schemas"][name]["properties"])
    for path, methods in described["paths"].items():
        for operation in methods.values():
            # problems are described once, as the default
            assert "422" not in operation["responses"], path


def test_the_description_is_valid_and_every_list_in_it_says_of_what(http: TestClient) -> None:
    """Generators of clients stop at a list without items, and know no tuples."""

    def lists(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            if "array" in (
                node.get("type"),
                *(node["type"] if isinstance(node.get("type"), list) else ()),
            ):
                yield node
            for inner in node.values():
                yield from lists(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from lists(inner)

    described = http.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(described).validate()
    found = list(lists(described))
    assert len(found) > 30
    assert [schema for schema in found if "items" not in schema or "prefixItems" in schema] == []


def test_every_problem_leads_to_a_page(house: Any, http: TestClient) -> None:
    problem = http.get("/documents/x", headers=house.headers("ada")).json()
    page = http.get(problem["type"])
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_every_reply_carries_an_id_and_safe_headers(house: Any, http: TestClient) -> None:
    for at in ("/livez", "/docs", "/nothing", f"/documents/{house.ids['menu']}"):
        headers = http.get(at, headers=house.headers("ada")).headers
        assert len(headers["x-request-id"]) == 32
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


def test_the_log_has_one_line_a_request_and_none_of_its_words(
    house: Any, http: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        reply = http.post("/ask", json=QUESTION, headers=house.headers("ada"))
        http.get(f"/documents/{house.ids['salaries']}", headers=house.headers("ada"))
    written = [
        JsonFormatter().format(record)
        for record in caplog.records
        if not record.name.startswith(("httpx", "asyncio"))
    ]
    lines = [json.loads(line) for line in written]
    requests = [line for line in lines if line["message"] == "request"]
    assert [(line["route"], line["status"]) for line in requests] == [
        ("/ask", 200),
        ("/documents/{document_id}", 200),
    ]
    assert requests[0]["request_id"] == reply.headers["x-request-id"]
    for word in (
        "salaries",
        "Salaries",
        "heliotrope",
        "March",
        house.keys["ada"],
        house.ids["salaries"],
    ):
        assert word not in "".join(written)


# --- administration -----------------------------------------------------------------------------


def finished_job(http: TestClient, at: str, headers: dict[str, str]) -> dict[str, Any]:
    for _ in range(200):
        job: dict[str, Any] = http.get(at, headers=headers).json()
        if job["state"] in ("done", "failed"):
            return job
        time.sleep(0.05)
    raise AssertionError("the job did not end")


def test_an_administrator_rebuilds_the_index(house: Any, http: TestClient) -> None:
    before = http.post("/search", json=QUESTION, headers=house.headers("ada"))
    reply = http.post("/admin/index/rebuild", headers=house.headers("root"))
    assert reply.status_code == 202
    assert reply.headers["location"] == f"/admin/jobs/{reply.json()['id']}"
    assert finished_job(http, reply.headers["location"], house.headers("root"))["state"] == "done"
    after = http.post("/search", json=QUESTION, headers=house.headers("ada"))
    assert after.content == before.content


def test_a_job_of_another_kind_is_not_shown(house: Any, http: TestClient) -> None:
    other = house.catalog.jobs.enqueue("ingest", {"path": "salaries"}, by=TESTER)
    assert http.get(f"/admin/jobs/{other.id}", headers=house.headers("root")).status_code == 404


@pytest.mark.slow
def test_an_administrator_changes_the_embedding_model(house: Any, http: TestClient) -> None:
    before = http.post("/search", json=QUESTION | {"mode": "dense"}, headers=house.headers("ada"))
    reply = http.post(
        "/admin/index/rebuild", json={"model": "other"}, headers=house.headers("root")
    )
    job = finished_job(http, reply.headers["location"], house.headers("root"))
    assert (job["state"], job["result"]["model"]) == ("done", "other")
    after = http.post("/search", json=QUESTION | {"mode": "dense"}, headers=house.headers("ada"))
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]
    assert {hit["title"] for hit in after.json()["passages"]} == {"Salaries", "Menu"}


def test_a_rebuild_that_fails_says_why_and_the_next_one_works(house: Any, tmp_path: Path) -> None:
    from service.app import create_app

    def load(name: str, _fingerprint: str | None = None) -> Embedder:
        raise RuntimeError("secret path")

    app: FastAPI = create_app(
        house.settings,
        embedder=house.embedder,
        model=house.model,
        catalog=house.catalog,
        load_embedder=load,
    )
    with TestClient(app) as http:
        root = house.headers("root")
        reply = http.post("/admin/index/rebuild", json={"model": "no such model"}, headers=root)
        job = finished_job(http, reply.headers["location"], root)
        assert (job["state"], job["error"]) == ("failed", "RuntimeError")
        reply = http.post("/admin/index/rebuild", headers=root)
        assert finished_job(http, reply.headers["location"], root)["state"] == "done"


def test_the_application_opens_and_closes_what_it_was_not_given(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.app import create_app

    closed: list[Catalog] = []
    monkeypatch.setattr(Catalog, "close", lambda self: closed.append(self))
    app = create_app(house.settings, embedder=house.embedder, model=ScriptedModel())
    with TestClient(app) as http:
        assert http.post("/search", json=QUESTION, headers=house.headers("ada")).status_code == 200
    assert len(closed) == 1


def test_a_position_comes_with_every_search_and_demands_freshness(
    house: Any, http: TestClient
) -> None:
    body, headers = {"question": "soup"}, house.headers("ada")
    first = http.post("/search", json=body, headers=headers)
    again = http.post("/search", json=body, headers=headers)
    position = first.headers["clearance-position"]
    assert first.content == again.content
    assert position != again.headers["clearance-position"]
    fresh = http.post("/search", json=body, headers={**headers, "Clearance-At-Least": position})
    assert fresh.content == first.content
    forged = http.post("/search", json=body, headers={**headers, "Clearance-At-Least": "forged"})
    assert forged.status_code == 422


def test_every_request_goes_before_the_work_in_the_background(
    house: Any, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its arrival on: the gate is where it first waits for another thread."""
    given_way: list[float] = []
    precedence = http.app.state.runtime.searcher.corpus.precedence  # type: ignore[attr-defined]
    monkeypatch.setattr(precedence_module, "_GOES_FIRST_S", 60.0)
    honest = house.catalog.keys.authenticate

    def authenticate(key: str) -> Any:
        given_way.append(precedence.give_way(0.01))
        return honest(key)

    monkeypatch.setattr(house.catalog.keys, "authenticate", authenticate)
    assert http.post("/search", json={"question": "soup"}, headers=house.headers("ada")).is_success
    assert min(given_way) >= 0.01
    assert precedence.give_way(60.0) < 60.0
