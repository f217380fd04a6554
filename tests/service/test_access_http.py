"""Who may read what, why and since when, over HTTP."""

from datetime import UTC, datetime

from starlette.testclient import TestClient

from tests.service.conftest import House, readers
from tests.world import TESTER


def get(http: TestClient, house: House, path: str, **query: str):
    return http.get(f"/admin/access/{path}", params=query, headers=house.headers("root"))


def test_readers_of_a_document_are_those_whom_the_gates_let_in(http: TestClient, house: House):
    catalog = house.catalog
    catalog.people.add_user("eve", by=TESTER)
    catalog.people.add_group("all", by=TESTER)
    catalog.people.add_member("all", "group:hr", by=TESTER)
    catalog.people.add_member("all", "user:eve", by=TESTER)
    catalog.people.add_group("visiting", external=True, by=TESTER)
    rule = readers("group:all", "group:visiting", "user:bob")
    denying = type(rule)(allow=rule.allow, deny=frozenset({"user:bob"}))
    made = house.put("plan", "The plan.", denying)
    found = get(http, house, "readers", document=made).json()
    assert found["users"] == ["user:ada", "user:eve"]
    assert found["external_groups"] == ["group:visiting"]
    for name in ("ada", "bob", "eve", "root"):
        told = get(http, house, "explain", user=name, document=made).json()
        assert told["may_read"] == (f"user:{name}" in found["users"]), name


def test_everybody_reads_what_is_public_but_the_disabled(http: TestClient, house: House):
    house.catalog.people.disable_user("bob", by=TESTER)
    found = get(http, house, "readers", document=house.ids["menu"]).json()
    assert found["users"] == ["user:ada", "user:root"]


def test_changes_of_a_person_are_those_that_touched_them(http: TestClient, house: House):
    since = datetime.now(UTC).isoformat()
    catalog = house.catalog
    made = house.put("plan", "The plan.", readers("group:hr"))
    other = house.put("engine", "The engine.", readers("group:eng"))
    catalog.documents.relabel("file:///house/plan.txt", readers("group:eng"), by=TESTER)
    catalog.people.remove_member("hr", "user:ada", by=TESTER)
    catalog.people.add_member("eng", "user:bob", by=TESTER)
    told = get(http, house, "changes", user="ada", since=since).json()
    # what the group meant for her is decided with the groups that she is in now
    assert [(c["what"], c["subject"]) for c in told["changes"]] == [
        ("group.member_removed", "group:hr")
    ]
    of_bob = get(http, house, "changes", user="bob", since=since).json()["changes"]
    assert [(c["what"], c["effect"]) for c in of_bob] == [
        ("document.stored", "gained"),
        ("document.relabelled", "gained"),
    ]
    assert [c["documents"] for c in of_bob] == [[other], [made]]


def test_unknown_people_and_documents_are_clear_errors(http: TestClient, house: House):
    assert get(http, house, "explain", user="nobody", document="x").status_code == 404
    assert get(http, house, "readers", document="x").status_code == 404
    assert get(http, house, "changes", user="nobody").status_code == 404
    assert get(http, house, "changes", user="ada", since="yesterday").status_code == 422
    asked = http.get("/admin/access/readers?document=x", headers=house.headers("ada"))
    assert asked.status_code == 403
