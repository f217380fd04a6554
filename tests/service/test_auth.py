"""Nobody passes without a key, and without one nothing can be learned."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete
from starlette.testclient import TestClient

from indexes.catalog.schema import key_scopes
from indexes.errors import NotAuthenticated
from indexes.model import Principal
from indexes.scopes import SCOPES
from service.app import create_app
from service.http.auth import Authenticator, required_scope
from tests.service.conftest import readers
from tests.service.test_http import finished_job
from tests.service.test_http_hostile import TEMPLATES
from tests.world import TESTER
from tests.writes import watched_writes

QUESTION = {"question": "When do salaries rise?"}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic YWRhOmFkYQ==",
        "Bearer clr_000000000000_" + "A" * 43,
        "Bearer " + "A" * 10_000,
        "Bearer clr_\u00e9",
        "bearer\tclr_",
        "Bearer null",
        "Bearer clr_000000000000_' OR '1'='1",
    ],
)
def test_what_is_no_valid_key_is_refused(house: Any, http: TestClient, header: str) -> None:
    reply = http.post("/ask", json=QUESTION, headers=[(b"Authorization", header.encode())])
    assert reply.status_code == 401
    assert reply.json()["type"] == "/problems/not-authenticated"
    assert reply.headers["www-authenticate"].startswith("Bearer")


def test_a_key_one_character_off_is_refused(house: Any, http: TestClient) -> None:
    key = house.keys["ada"]
    for wrong in (
        key[:-1],
        key + "A",
        key[:-1] + ("A" if key[-1] != "A" else "B"),
        key.upper(),
        f"{key} {key}",
    ):
        assert (
            http.get("/documents/x", headers={"Authorization": f"Bearer {wrong}"}).status_code
            == 401
        )


def test_a_key_counts_only_in_the_header(house: Any, http: TestClient) -> None:
    key = house.keys["ada"]
    assert http.get("/documents/x", params={"api_key": key, "access_token": key}).status_code == 401
    assert (
        http.get("/documents/x", headers={"Cookie": f"Authorization=Bearer {key}"}).status_code
        == 401
    )


def test_two_keys_at_once_are_refused(house: Any, http: TestClient) -> None:
    both = [("Authorization", f"Bearer {house.keys[name]}") for name in ("ada", "bob")]
    assert http.get("/documents/x", headers=both).status_code == 401


def test_revoked_expired_and_orphaned_keys_are_refused_at_once(
    house: Any, http: TestClient
) -> None:
    def status(secret: str) -> int:
        return http.post(
            "/search", json=QUESTION, headers={"Authorization": f"Bearer {secret}"}
        ).status_code

    keys = house.catalog.keys
    issued = keys.issue("ada", by=TESTER)
    assert status(issued.secret) == 200
    keys.revoke(issued.id, by=TESTER)
    assert status(issued.secret) == 401
    assert (
        status(
            keys.issue("ada", expires_at=datetime.now(UTC) - timedelta(seconds=1), by=TESTER).secret
        )
        == 401
    )
    house.catalog.people.remove_user("ada", by=TESTER)
    assert status(house.keys["ada"]) == 401


def test_a_key_that_was_looked_up_before_is_confirmed_where_the_search_reads(
    house: Any, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    authenticate = type(house.catalog.keys).authenticate

    def counting(keys: Any, secret: str) -> Principal:
        looked_up.append(secret)
        found: Principal = authenticate(keys, secret)
        return found

    monkeypatch.setattr(type(house.catalog.keys), "authenticate", counting)
    ada = house.headers("ada")
    first, second = (http.post("/search", json=QUESTION, headers=ada) for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert len(looked_up) == 1
    assert http.post("/search", json={"question": ""}, headers=ada).status_code == 422
    assert len(looked_up) == 2, "an error is told only after a look-up"
    house.catalog.people.disable_user("ada", by=TESTER)
    assert http.post("/search", json=QUESTION, headers=ada).status_code == 401


@pytest.mark.parametrize(
    "given",
    [
        {"json": QUESTION},
        {"content": b"{nonsense"},
        {"content": b""},
        {"json": {"question": "", "k": 0, "unknown": 1}},
        {"content": b"x" * 1_000_000},
        {"content": b"a=b", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"json": QUESTION, "headers": {"Clearance-At-Least": "nonsense"}},
        {"method": "GET"},
    ],
    ids=["right", "no JSON", "no body", "invalid", "too large", "no JSON told", "position", "GET"],
)
def test_a_key_that_held_a_moment_ago_tells_no_more_than_any_other_wrong_one(
    house: Any, http: TestClient, given: dict[str, Any]
) -> None:
    issued = house.catalog.keys.issue("ada", by=TESTER)
    key = {"Authorization": f"Bearer {issued.secret}"}
    assert http.post("/search", json=QUESTION, headers=key).status_code == 200
    house.catalog.keys.revoke(issued.id, by=TESTER)
    more = {**given, "headers": key | given.get("headers", {})}
    method = more.pop("method", "POST")
    told, again = (http.request(method, "/search", **more) for _ in range(2))
    refused = http.post("/search", json=QUESTION, headers={"Authorization": "Bearer wrong"})
    for reply in (told, again):
        assert reply.status_code == 401
        assert reply.json() | {"instance": ""} == refused.json() | {"instance": ""}
        assert set(reply.headers) == set(refused.headers)


def test_without_a_key_every_address_and_every_body_looks_the_same(
    house: Any, http: TestClient
) -> None:
    tried = [
        http.post("/ask", json=QUESTION),
        http.post("/ask", content=b"{nonsense"),
        http.post("/ask", json={"question": "", "k": 0, "unknown": 1}),
        http.post("/ask", content=b"x" * 1_000_000),
        http.post("/search", json=QUESTION),
        http.get(f"/documents/{house.ids['menu']}"),
        http.get("/documents/absent"),
        http.get("/no/such/address"),
        http.post("/admin/index/rebuild"),
        http.request("DELETE", "/ask"),
        http.get("/ask"),
        http.get("http://testserver//livez"),
        http.get("/livez/"),
        http.get("/admin/../livez"),
    ]
    refused = [reply for reply in tried if reply.request.url.path != "/livez"]
    assert {reply.status_code for reply in refused} == {401}
    assert len({json.dumps(reply.json() | {"instance": ""}) for reply in refused}) == 1


def test_the_admin_scope_opens_administration_and_no_document(house: Any, http: TestClient) -> None:
    root = house.headers("root")
    assert http.post("/admin/index/rebuild", headers=root).status_code == 202
    assert http.get(f"/documents/{house.ids['salaries']}", headers=root).status_code == 404
    assert "heliotrope" not in http.post("/search", json=QUESTION, headers=root).text


def test_without_the_scope_administration_is_closed_before_the_body_is_looked_at(
    house: Any, http: TestClient
) -> None:
    ada = house.headers("ada")
    for reply in (
        http.post("/admin/index/rebuild", headers=ada),
        http.post("/admin/index/rebuild", content=b"{nonsense", headers=ada),
        http.get("/admin/jobs/anything", headers=ada),
        http.get("/admin/no/such/address", headers=ada),
    ):
        assert (reply.status_code, reply.json()["type"]) == (403, "/problems/not-permitted")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/search", "ask"),
        ("GET", "/documents/x", "ask"),
        ("DELETE", "/documents/x", "ingest"),
        ("GET", "/jobs/x", "ingest"),
        ("GET", "/admin/templates", "operate"),
        ("GET", "/metrics", "operate"),
        ("GET", "/admin/people", "people"),
        ("POST", "/scim/v2/Users", "people"),
        ("GET", "/admin/audit", "audit"),
        ("GET", "/admin/no/such/address", "operate"),
    ],
)
def test_every_address_needs_one_scope(method: str, path: str, scope: str) -> None:
    assert required_scope(method, path) == scope


@pytest.mark.parametrize("scope", sorted(SCOPES))
def test_a_scope_opens_what_it_names_and_admin_all_but_asking(
    house: Any, http: TestClient, scope: str
) -> None:
    key = house.catalog.keys.issue("root", scopes=[scope], by=TESTER).secret
    headers = {"Authorization": f"Bearer {key}"}
    opened = {
        "ask": http.post("/search", json=QUESTION, headers=headers).status_code == 200,
        "operate": http.get("/admin/templates", headers=headers).status_code == 200,
    }
    assert opened == {"ask": scope == "ask", "operate": scope in ("operate", "admin")}


def test_a_key_whose_scope_is_taken_away_is_refused_at_the_next_search(
    house: Any, http: TestClient
) -> None:
    issued = house.catalog.keys.issue("ada", scopes=["ask", "operate"], by=TESTER)
    headers = {"Authorization": f"Bearer {issued.secret}"}
    assert http.post("/search", json=QUESTION, headers=headers).status_code == 200
    with house.catalog._database.writing(TESTER) as connection:
        connection.execute(delete(key_scopes).where(key_scopes.c.scope == "ask"))
    for _ in range(2):
        assert http.post("/search", json=QUESTION, headers=headers).status_code == 403
    assert http.get("/admin/templates", headers=headers).status_code == 200


def test_what_an_administrator_changes_is_changed_under_their_name(
    house: Any, http: TestClient
) -> None:
    by_all = {"allow": ["public"]}
    changes = [
        ("PUT", "/admin/models/readers", {"model": "vault", "readers": by_all}),
        ("POST", "/admin/models/clear", {"model": "vault"}),
        ("POST", "/admin/templates", TEMPLATES["/admin/templates"]),
        ("PUT", "/admin/templates/plain/readers", by_all),
        ("POST", "/admin/templates/plain/activate", {"version": 1}),
        ("POST", "/admin/templates/plain/rollback", {}),
    ]
    with watched_writes() as seen:
        for verb, address, body in changes:
            reply = http.request(verb, address, json=body, headers=house.headers("root"))
            assert reply.is_success, address
    assert {"models", "templates", "template_versions", "template_activations"} <= set(seen)
    seen.pop("jobs", None)  # the service looks for jobs to do meanwhile
    assert set().union(*seen.values()) == {"user:root"}


def test_a_rebuild_is_asked_for_by_the_administrator_and_done_by_the_service(
    house: Any, http: TestClient
) -> None:
    with watched_writes() as seen:
        reply = http.post("/admin/index/rebuild", headers=house.headers("root"))
        finished_job(http, reply.headers["location"], house.headers("root"))
    assert seen["jobs"] == {"user:root", "system:rebuild"}
    assert seen["changes"] == {"system:rebuild"}


class Tokens:
    """An identity provider that vouches for one person, by the person's own number, and names
    groups.
    """

    def __init__(self, person: Principal, *groups: str) -> None:
        self.bearer = Principal(
            name=person.name,
            id=person.id,
            groups=frozenset(groups),
            scopes=frozenset({"ask", "admin"}),
        )

    def authenticate(self, credentials: str, /) -> Principal:
        if credentials != "a token":
            raise NotAuthenticated
        return self.bearer


def served_to(house: Any, authenticator: Authenticator) -> TestClient:
    app = create_app(
        house.settings,
        embedder=house.embedder,
        model=house.model,
        catalog=house.catalog,
        authenticator=authenticator,
    )
    return TestClient(app, headers={"Authorization": "Bearer a token"})


def test_who_comes_with_a_token_reads_what_the_catalog_says(house: Any) -> None:
    bob = house.catalog.keys.authenticate(house.keys["bob"])
    house.catalog.people.add_group("idp", external=True, by=TESTER)
    house.put("contract", "Contracts end in May.", readers("group:idp"))
    with served_to(house, Tokens(bob, "group:idp", "group:hr")) as http:
        question = {"question": "When do contracts end, and when do salaries rise?", "k": 9}
        found = http.post("/search", json=question).json()["passages"]
        assert {hit["title"] for hit in found} == {"Contract", "Menu", "Roadmap"}
        assert http.get("/version").status_code == 200
        stranger = {"Authorization": "Bearer another"}
        assert http.post("/search", json=question, headers=stranger).status_code == 401
        house.catalog.people.disable_user("bob", by=TESTER)
        assert http.post("/search", json=question).status_code == 401


class Lapsing(Tokens):
    """An identity provider whose token ends when it says so; the catalog does not know."""

    has_lapsed = False

    def authenticate(self, credentials: str, /) -> Principal:
        if self.has_lapsed:
            raise NotAuthenticated
        return super().authenticate(credentials)


def test_a_token_is_looked_at_for_every_request(house: Any) -> None:
    bob = house.catalog.keys.authenticate(house.keys["bob"])
    provider = Lapsing(bob)
    with served_to(house, provider) as http:
        assert http.post("/search", json=QUESTION).status_code == 200
        provider.has_lapsed = True
        assert http.post("/search", json=QUESTION).status_code == 401


def test_a_scope_that_only_a_token_claims_opens_no_administration(house: Any) -> None:
    bob = house.catalog.keys.authenticate(house.keys["bob"])
    with served_to(house, Tokens(bob)) as http:
        assert http.get("/admin/templates").status_code == 403
        assert http.post("/admin/index/rebuild").status_code == 403
        assert http.get("/metrics").status_code == 200
