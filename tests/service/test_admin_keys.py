"""Keys over HTTP: for the scope `people`, and no scope is given that the giver lacks."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.world import TESTER

QUESTION = {"question": "soup"}


@pytest.fixture
def keeper(house: Any) -> dict[str, str]:
    key = house.catalog.keys.issue("root", scopes=["people", "ask"], by=TESTER).secret
    return {"Authorization": f"Bearer {key}"}


def asks(http: TestClient, secret: str) -> int:
    headers = {"Authorization": f"Bearer {secret}"}
    return http.post("/search", json=QUESTION, headers=headers).status_code


def test_a_key_is_made_used_exchanged_and_taken_back(
    house: Any, http: TestClient, keeper: dict[str, str]
) -> None:
    made = http.post(
        "/admin/keys", json={"user": "bob", "label": "nightly", "days": 30}, headers=keeper
    )
    assert made.status_code == 201
    key = made.json()
    assert asks(http, key["secret"]) == 200
    new = http.post(f"/admin/keys/{key['id']}/rotate", json={"overlap_s": 60}, headers=keeper)
    assert new.status_code == 201
    assert asks(http, key["secret"]) == asks(http, new.json()["secret"]) == 200
    listed = http.get("/admin/keys", params={"user": "bob"}, headers=keeper).json()["keys"]
    shown = {each["id"]: each for each in listed}
    assert shown[key["id"]]["replaced_by"] == new.json()["id"]
    assert shown[key["id"]]["state"] == "valid"
    assert shown[new.json()["id"]]["label"] == "nightly"
    assert not [secret for secret in (key["secret"], new.json()["secret"]) if secret in str(listed)]
    for each in (key, new.json()):
        assert http.delete(f"/admin/keys/{each['id']}", headers=keeper).status_code == 204
        assert asks(http, each["secret"]) == 401
    assert http.delete("/admin/keys/nosuchkey000", headers=keeper).status_code == 404


def test_nobody_gives_what_they_lack_or_the_right_to_ask_as_others(
    house: Any, http: TestClient, keeper: dict[str, str]
) -> None:
    count = len(house.catalog.keys.list())
    for scopes in (["operate"], ["admin"], ["ask", "audit"], ["act-as"], ["ask", "act-as"]):
        body = {"user": "bob", "scopes": scopes}
        assert http.post("/admin/keys", json=body, headers=keeper).status_code == 403
    for scopes in ([], ["all"]):
        body = {"user": "bob", "scopes": scopes}
        assert http.post("/admin/keys", json=body, headers=keeper).status_code == 422
    strong = house.catalog.keys.issue("bob", scopes=["ask", "act-as"], by=TESTER)
    assert http.post(f"/admin/keys/{strong.id}/rotate", headers=keeper).status_code == 403
    assert http.delete(f"/admin/keys/{strong.id}", headers=keeper).status_code == 204
    assert len(house.catalog.keys.list()) == count + 1


def test_other_scopes_do_not_open_it(house: Any, http: TestClient) -> None:
    for scopes in (["ask"], ["operate"], ["ask", "ingest", "audit", "act-as"]):
        key = house.catalog.keys.issue("root", scopes=scopes, by=TESTER).secret
        headers = {"Authorization": f"Bearer {key}"}
        assert http.get("/admin/keys", headers=headers).status_code == 403
        body = {"user": "root", "scopes": ["ask"]}
        assert http.post("/admin/keys", json=body, headers=headers).status_code == 403
