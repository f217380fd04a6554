"""A directory brings people and groups: as a conformance suite asks for it, as directories do it, and
as rules need it.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from pydantic import ValidationError
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import ScimFilter, ScimProvider, UniquenessException, User
from scim2_server.requests import ScimRequest
from scim2_server.testing import ScimStorageContract
from scim2_tester import Status, check_server
from starlette.testclient import TestClient

from indexes.catalog import Catalog
from indexes.catalog.audit.books import Books
from indexes.catalog.directory.entries import EntryValues
from indexes.errors import BadInput, NotAuthenticated, StillDenied
from indexes.model import KnownIssuer, Principal, Readers
from indexes.settings import IdentityProvider, Settings
from service.app import create_app
from service.http.scim.handler import answer
from service.http.scim.provider import describe_service
from service.http.scim.storage import CatalogStorage
from service.testing.loopback import Loopback
from tests.service.conftest import readers
from tests.world import TESTER

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH = {"question": "When do salaries rise?"}


# --- the protocol -------------------------------------------------------------------------------


@pytest.fixture
def key(house: Any) -> str:
    """Of a directory: it may keep people, and ask nothing."""
    house.catalog.people.add_user("directory", by=TESTER)
    secret: str = house.catalog.keys.issue("directory", scopes=["people"], by=TESTER).secret
    return secret


def test_the_conformance_suite_finds_nothing(house: Any, key: str) -> None:
    with Loopback(house.app, "on") as server:
        headers = {"Authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=f"{server.url}/scim/v2", headers=headers) as http:
            results = check_server(SyncSCIMClient(http))
    wrong = [result for result in results if result.status in (Status.ERROR, Status.CRITICAL)]
    assert [f"{result.title}: {result.reason}" for result in wrong] == []
    assert len([result for result in results if result.status == Status.SUCCESS]) > 40


class TestCatalogStorage(ScimStorageContract):
    """The library's own rules for whatever it stores into."""

    supports_root_search = False

    @pytest.fixture
    def provider(self) -> ScimProvider:
        return describe_service()

    @pytest.fixture
    def storage(self, tmp_path: Path, provider: ScimProvider) -> Iterator[CatalogStorage]:
        catalog = Catalog.open(f"sqlite:///{tmp_path}/catalog.sqlite")
        with provider:
            yield CatalogStorage(catalog.directory, provider, TESTER, writes=True)
        catalog.close()

    def test_update_frees_the_former_unique_values(
        self, storage: Any, user_type: Any, user_model: Any
    ) -> None:
        """It does not: rule files may say the former name, and it stays with whoever had it."""
        (user,) = self.create_users(storage, user_type, user_model, "bjensen")
        user.user_name = "barbara"
        storage.update(user_type, user)
        with pytest.raises(UniquenessException):
            self.create_users(storage, user_type, user_model, "bjensen")

    def test_delete_frees_the_unique_values(
        self, storage: Any, user_type: Any, user_model: Any
    ) -> None:
        """It does not: nobody gets the rules of somebody who has left by having the same name."""
        (user,) = self.create_users(storage, user_type, user_model, "bjensen")
        storage.delete(user_type, user.id)
        with pytest.raises(UniquenessException):
            self.create_users(storage, user_type, user_model, "bjensen")


class Directory:
    """What a directory sends."""

    def __init__(self, http: TestClient, key: str) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {key}"}

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        more = {"Content-Type": "application/scim+json"} if body is not None else {}
        sent = {"json": body} if body is not None else {}
        return self.http.request(
            method, f"/scim/v2{path}", headers=self.headers | more | headers, **sent
        )

    def done(self, method: str, path: str, body: Any = None) -> Any:
        reply = self.send(method, path, body)
        assert reply.status_code < 300, reply.text
        return reply.json() if reply.content else None

    def user(self, name: str, **more: Any) -> str:
        made = self.done("POST", "/Users", {"schemas": [USER], "userName": name, **more})
        return str(made["id"])

    def group(self, name: str, *members: str, **more: Any) -> str:
        body = {"schemas": [GROUP], "displayName": name, **more}
        body["members"] = [{"value": member} for member in members]
        return str(self.done("POST", "/Groups", body)["id"])

    def patch(self, path: str, *operations: dict[str, Any]) -> Any:
        return self.send("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})

    def members(self, group: str) -> set[str]:
        told = self.done("GET", f"/Groups/{group}")
        return {member["value"] for member in told.get("members", ())}


@pytest.fixture
def directory(http: TestClient, key: str) -> Directory:
    return Directory(http, key)


def may_read(house: Any, user: str) -> set[str]:
    return set(house.catalog.documents.paths(Principal(name=f"user:{user}")))


# --- leavers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["inactive", "inactive in words", "deleted"])
def test_who_is_taken_out_reads_nothing_at_the_next_request_in_every_process(
    house: Any, directory: Directory, way: str
) -> None:
    ada = directory.user("grace")
    directory.group("hr-team", ada)
    house.put("letter", "Salaries rise for the team.", readers("group:hr-team"))
    headers = {"Authorization": f"Bearer {house.catalog.keys.issue('grace', by=TESTER).secret}"}
    elsewhere = Catalog.open(house.settings.catalog_url)
    other = create_app(house.settings, embedder=house.embedder, catalog=elsewhere)
    with TestClient(other) as second:
        for service in (directory.http, second):
            found = service.post("/search", json=SEARCH, headers=headers)
            assert "Letter" in found.text
        if way == "deleted":
            assert directory.send("DELETE", f"/Users/{ada}").status_code == 204
        else:
            value: Any = False if way == "inactive" else "False"
            replaced = {"op": "Replace", "path": "active", "value": value}
            assert directory.patch(f"/Users/{ada}", replaced).status_code == 204
        for service in (directory.http, second):
            refused = service.post("/search", json=SEARCH, headers=headers)
            assert refused.status_code == 401
        assert may_read(house, "grace") == set()
    elsewhere.close()


@pytest.mark.parametrize(
    "way", ["one by one", "by a list", "with the group", "with a group between"]
)
def test_who_is_taken_out_of_a_group_finds_nothing_of_it_at_the_next_request_in_every_process(
    house: Any, directory: Directory, way: str
) -> None:
    """Indexes and views that processes hold are followed, too: joining and leaving in turn."""
    grace = directory.user("grace")
    inner = directory.group("inner", grace)
    team = directory.group("team", inner, grace if way != "with a group between" else inner)
    house.put("letter", "Salaries rise for the team.", readers("group:team"))
    headers = {"Authorization": f"Bearer {house.catalog.keys.issue('grace', by=TESTER).secret}"}
    if way in ("one by one", "by a list"):
        directory.done("DELETE", f"/Groups/{inner}")

    def take_out() -> None:
        gone: dict[str, Any]
        if way == "one by one":
            gone = {"op": "remove", "path": f'members[value eq "{grace}"]'}
            directory.patch(f"/Groups/{team}", gone)
        elif way == "by a list":
            directory.done("PUT", f"/Groups/{team}", {"schemas": [GROUP], "displayName": "team"})
        elif way == "with the group":
            directory.done("DELETE", f"/Groups/{team}")
        else:
            gone = {"op": "remove", "path": "members", "value": [{"value": inner}]}
            directory.patch(f"/Groups/{team}", gone)

    elsewhere = Catalog.open(house.settings.catalog_url)
    other = create_app(house.settings, embedder=house.embedder, catalog=elsewhere)
    with TestClient(other) as second:
        for _ in range(1 if way == "with the group" else 3):
            for service in (directory.http, second):
                assert "Letter" in service.post("/search", json=SEARCH, headers=headers).text
            take_out()
            for service in (directory.http, second):
                found = service.post("/search", json=SEARCH, headers=headers)
                assert found.status_code == 200
                assert "Letter" not in found.text
            if way != "with the group":
                back = {"value": inner if way == "with a group between" else grace}
                add = {"op": "add", "path": "members", "value": [back]}
                assert directory.patch(f"/Groups/{team}", add).status_code == 204
        for app in (house.app, other):  # the first gate knew it, so the second had nothing to stop
            assert app.state.runtime.searcher.status().alarms == 0
    elsewhere.close()


def test_who_comes_back_is_the_same_person_without_the_keys_and_groups_of_before(
    house: Any, directory: Directory
) -> None:
    first = directory.user("grace", externalId="0042")
    directory.group("hr-team", first)
    house.put("letter", "For the team.", readers("group:hr-team"))
    house.put("own", "For her.", readers("user:grace"))
    key = house.catalog.keys.issue("grace", by=TESTER).secret
    directory.done("DELETE", f"/Users/{first}")
    assert directory.send("GET", f"/Users/{first}").status_code == 404
    assert directory.done("GET", "/Users")["totalResults"] == 0
    again = directory.user("grace", externalId="0042")
    assert again == first
    assert may_read(house, "grace") == {"own.txt", "menu.txt"}
    headers = {"Authorization": f"Bearer {key}"}
    assert directory.http.post("/search", json=SEARCH, headers=headers).status_code == 401


@pytest.mark.parametrize("external_id", [None, "0043"])
def test_nobody_gets_what_was_a_leavers_by_having_the_same_name(
    house: Any, directory: Directory, external_id: str | None
) -> None:
    grace = directory.user("grace", externalId="0042")
    house.put("own", "For her.", readers("user:grace"))
    directory.done("DELETE", f"/Users/{grace}")
    body = {"schemas": [USER], "userName": "grace"} | (
        {"externalId": external_id} if external_id else {}
    )
    refused = directory.send("POST", "/Users", body)
    assert (refused.status_code, refused.json()["scimType"]) == (409, "uniqueness")
    assert may_read(house, "grace") == set()


def test_whoever_an_operator_has_disabled_is_not_enabled_by_a_directory(
    house: Any, directory: Directory
) -> None:
    grace = directory.user("grace")
    house.catalog.people.disable_user("grace", by=TESTER)
    directory.done(
        "PUT", f"/Users/{grace}", {"schemas": [USER], "userName": "grace", "active": True}
    )
    for active in (False, True):
        directory.patch(f"/Users/{grace}", {"op": "replace", "path": "active", "value": active})
    assert may_read(house, "grace") == set()
    house.catalog.people.enable_user("grace", by=TESTER)
    assert may_read(house, "grace") == {"menu.txt"}


def test_an_operator_does_not_enable_whom_the_directory_has_taken_out(
    house: Any, directory: Directory
) -> None:
    directory.user("grace", active=False)
    with pytest.raises(BadInput):
        house.catalog.people.enable_user("grace", by=TESTER)
    assert may_read(house, "grace") == set()


def test_a_put_that_does_not_say_active_enables_nobody(house: Any, directory: Directory) -> None:
    grace = directory.user("grace", active=False)
    told = directory.done(
        "PUT", f"/Users/{grace}", {"schemas": [USER], "userName": "grace", "title": "Dr"}
    )
    assert told.get("active") is not True
    assert may_read(house, "grace") == set()


def test_what_a_directory_changes_is_recorded_under_its_name(
    house: Any, directory: Directory
) -> None:
    ann = directory.user("ann", externalId="1")
    team = directory.group("team", ann)
    directory.patch(f"/Groups/{team}", {"op": "remove", "path": f'members[value eq "{ann}"]'})
    directory.done("DELETE", f"/Users/{ann}")
    directory.user("ann", externalId="1")
    told = [
        (change["what"], change["subject"])
        for record in Books(house.catalog._database, house.app.state.runtime.trail).records()
        if record.body.get("by") == "user:directory"
        for change in record.body["changes"]
    ]
    assert told == [
        ("user.added", "user:ann"),
        ("group.added", "group:team"),
        ("group.member_added", "group:team"),
        ("group.member_removed", "group:team"),
        ("user.disabled", "user:ann"),
        ("user.left", "user:ann"),
        ("user.enabled", "user:ann"),
        ("user.came_back", "user:ann"),
    ]


# --- groups -------------------------------------------------------------------------------------


def test_a_put_names_the_members_exactly(house: Any, directory: Directory) -> None:
    people = {name: directory.user(name) for name in ("ann", "ben", "cid")}
    team = directory.group("team", people["ann"], people["ben"])
    house.put("letter", "For the team.", readers("group:team"))
    body = {"schemas": [GROUP], "displayName": "team", "members": [{"value": people["cid"]}]}
    directory.done("PUT", f"/Groups/{team}", body)
    assert [name for name in people if "letter.txt" in may_read(house, name)] == ["cid"]
    directory.done("PUT", f"/Groups/{team}", {"schemas": [GROUP], "displayName": "team"})
    assert directory.members(team) == set()
    assert [name for name in people if "letter.txt" in may_read(house, name)] == []


def test_the_last_member_can_be_taken_out(house: Any, directory: Directory) -> None:
    ann = directory.user("ann")
    team = directory.group("team", ann)
    removed = {"op": "remove", "path": f'members[value eq "{ann}"]'}
    assert directory.patch(f"/Groups/{team}", removed).status_code == 204
    assert directory.members(team) == set()
    assert directory.patch(f"/Groups/{team}", removed).status_code == 204


def test_members_come_and_go_as_directories_send_it(directory: Directory) -> None:
    ann, ben, cid = (directory.user(name) for name in ("ann", "ben", "cid"))
    team = directory.group("team")
    path = f"/Groups/{team}"
    directory.patch(
        path, {"op": "Add", "path": "members", "value": [{"value": ann}, {"value": ben}]}
    )
    assert directory.members(team) == {ann, ben}
    okta = {"value": cid, "display": "somebody@example.org"}
    directory.patch(path, {"op": "add", "value": {"members": [okta]}})
    assert directory.members(team) == {ann, ben, cid}
    directory.patch(path, {"op": "Remove", "path": "members", "value": [{"value": ann}]})
    assert directory.members(team) == {ben, cid}
    swap = (
        {"op": "remove", "path": f'members[value eq "{ben}"]'},
        {"op": "add", "path": "members", "value": [{"value": ann}]},
    )
    directory.patch(path, *swap)
    assert directory.members(team) == {ann, cid}
    named = {"value": ben, "display": "somebody@example.org"}
    assert (
        directory.patch(path, {"op": "add", "path": "members", "value": [named]}).status_code == 204
    )
    directory.patch(path, {"op": "replace", "path": "members", "value": [named]})
    assert directory.members(team) == {ben}
    directory.patch(path, {"op": "remove", "path": "members"})
    assert directory.members(team) == set()
    unknown = {"op": "add", "path": "members", "value": [{"value": "nobody"}]}
    refused = directory.patch(path, unknown)
    assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidValue")


@pytest.mark.parametrize("with_path", [True, False])
def test_members_who_come_at_the_same_time_are_all_there(
    house: Any, directory: Directory, with_path: bool
) -> None:
    people = [directory.user(f"person{number}") for number in range(12)]
    team = directory.group("team")

    def add(person: str) -> int:
        value = [{"value": person}]
        operation = (
            {"op": "add", "path": "members", "value": value}
            if with_path
            else {"op": "add", "value": {"members": value}}
        )
        body = json.dumps({"schemas": [PATCH], "Operations": [operation]}).encode()
        request = ScimRequest("PATCH", "", f"/Groups/{team}", {}, {}, body)
        return int(answer(house.catalog.directory, request, TESTER).status)

    with ThreadPoolExecutor(6) as threads:
        assert set(threads.map(add, people)) == {204}
    assert directory.members(team) == set(people)


def test_of_two_who_come_under_one_name_at_the_same_time_one_is_refused(
    house: Any, directory: Directory
) -> None:
    def hire(number: int) -> int:
        body = {"schemas": [USER], "userName": "ann", "externalId": f"{number}"}
        request = ScimRequest("POST", "", "/Users", {}, {}, json.dumps(body).encode())
        return int(answer(house.catalog.directory, request, TESTER).status)

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(hire, range(6))) == [201, 409, 409, 409, 409, 409]
    assert directory.done("GET", "/Users")["totalResults"] == 1


def test_groups_may_be_members_and_a_circle_of_them_is_harmless(
    house: Any, directory: Directory
) -> None:
    ann = directory.user("ann")
    inner = directory.group("inner", ann)
    outer = directory.group("outer", inner)
    house.put("letter", "For all.", readers("group:outer"))
    assert "letter.txt" in may_read(house, "ann")
    directory.patch(
        f"/Groups/{inner}", {"op": "add", "path": "members", "value": [{"value": outer}]}
    )
    directory.patch(
        f"/Groups/{outer}", {"op": "add", "path": "members", "value": [{"value": outer}]}
    )
    assert "letter.txt" in may_read(house, "ann")
    told = directory.done("GET", f"/Groups/{outer}")["members"]
    assert {(member["value"], member["type"]) for member in told} == {
        (inner, "Group"),
        (outer, "Group"),
    }
    assert [each["value"] for each in directory.done("GET", f"/Users/{ann}")["groups"]] == [inner]
    directory.done("DELETE", f"/Groups/{inner}")
    assert may_read(house, "ann") == {"menu.txt"}


def test_a_group_that_a_deny_names_cannot_be_removed(house: Any, directory: Directory) -> None:
    ann = directory.user("ann")
    interns = directory.group("interns", ann)
    house.put(
        "letter",
        "Not for interns.",
        Readers(allow=frozenset({"public"}), deny=frozenset({"group:interns"})),
    )
    refused = directory.send("DELETE", f"/Groups/{interns}")
    assert refused.status_code == 409
    assert "deny" in refused.json()["detail"]
    assert directory.members(interns) == {ann}
    assert may_read(house, "ann") == {"menu.txt"}


# --- names --------------------------------------------------------------------------------------


def test_a_person_who_is_renamed_stays_the_same_person(house: Any, directory: Directory) -> None:
    ann = directory.user("ann.smith@example.org")
    house.put("own", "For her.", readers("user:ann.smith@example.org"))
    key = house.catalog.keys.issue("ann.smith@example.org", by=TESTER).secret
    renamed = {"op": "replace", "path": "userName", "value": "ann.jones@example.org"}
    assert directory.patch(f"/Users/{ann}", renamed).status_code == 204
    assert "own.txt" in may_read(house, "ann.jones@example.org")
    who = directory.http.get("/whoami", headers={"Authorization": f"Bearer {key}"}).json()
    assert who["name"] == "user:ann.jones@example.org"
    body = {"schemas": [USER], "userName": "ann.smith@example.org"}
    assert directory.send("POST", "/Users", body).status_code == 409
    means = house.catalog.people.meaning({"user:ann.smith@example.org"}).current
    assert means == {"user:ann.smith@example.org": "user:ann.jones@example.org"}


def test_a_group_that_is_renamed_stays_the_same_group(house: Any, directory: Directory) -> None:
    ann = directory.user("ann")
    team = directory.group("Sales EMEA", ann)
    house.put("letter", "For sales.", readers("group:Sales EMEA"))
    directory.patch(f"/Groups/{team}", {"op": "replace", "value": {"displayName": "Sales Europe"}})
    assert "letter.txt" in may_read(house, "ann")
    assert directory.members(team) == {ann}
    body = {"schemas": [GROUP], "displayName": "Sales EMEA"}
    assert directory.send("POST", "/Groups", body).status_code == 409


@pytest.mark.parametrize(
    "name",
    ["", " ", "ann ", "a\u200bnn", "\u0430nn", "a" * 201, "ａnn", "ann#1", "a  b", "public", "\ud7ff\u0378", "a\u0000b"],
)  # fmt: skip
def test_odd_names_are_refused_in_the_directorys_words(directory: Directory, name: str) -> None:
    for path, body in (
        ("/Users", {"schemas": [USER], "userName": name}),
        ("/Groups", {"schemas": [GROUP], "displayName": name}),
    ):
        refused = directory.send("POST", path, body)
        assert refused.status_code == 400, refused.text
        assert refused.json()["scimType"] == "invalidValue"
        assert refused.headers["content-type"] == "application/scim+json"
    assert directory.done("GET", "/Users")["totalResults"] == 0


@pytest.mark.parametrize(
    ("first", "second"), [("ann", "ANN"), ("Straße", "STRASSE"), ("ill", "iIl")]
)
def test_names_that_could_be_taken_for_each_other_are_refused(
    directory: Directory, first: str, second: str
) -> None:
    directory.user(first)
    refused = directory.send("POST", "/Users", {"schemas": [USER], "userName": second})
    assert (refused.status_code, refused.json()["scimType"]) == (409, "uniqueness")


# --- signing in ---------------------------------------------------------------------------------

ISSUER = "https://id.example.org"


def send_as(house: Any, issuer: str | None, method: str, path: str, **body: Any) -> Any:
    content = json.dumps({"schemas": [USER], **body}).encode() if body else b""
    request = ScimRequest(method, "", path, {}, {}, content)
    known = None if issuer is None else KnownIssuer("corp", issuer)
    return answer(house.catalog.directory, request, TESTER, known)


def test_whom_a_directory_brings_the_identity_provider_means_by_the_same_id(house: Any) -> None:
    find = house.catalog.subjects.find
    ann = send_as(house, ISSUER, "POST", "/Users", userName="ann", externalId="1").body["id"]
    assert find(ISSUER, "1").name == "user:ann"
    send_as(house, ISSUER, "PUT", f"/Users/{ann}", userName="anna", externalId="2")
    assert find(ISSUER, "1") is None
    assert find(ISSUER, "2").name == "user:anna"
    send_as(house, ISSUER, "DELETE", f"/Users/{ann}")
    with pytest.raises(NotAuthenticated):
        find(ISSUER, "2")
    assert send_as(house, ISSUER, "POST", "/Users", userName="anna", externalId="2").status == 201
    assert find(ISSUER, "2").name == "user:anna"


@pytest.mark.parametrize("first", ["1", None])
def test_a_directory_gives_nobody_scopes_by_saying_that_he_is_somebody_else(
    house: Any, first: str | None
) -> None:
    """They were given to a person; who signs in by another id need not be the same."""
    told = {} if first is None else {"externalId": first}
    ann = send_as(house, ISSUER, "POST", "/Users", userName="ann", **told).body["id"]
    house.catalog.subjects.grant("ann", "admin", by=TESTER)
    send_as(house, ISSUER, "PUT", f"/Users/{ann}", userName="ann", **told)
    assert house.catalog.subjects.scopes("ann") == ("admin",)
    send_as(house, ISSUER, "PUT", f"/Users/{ann}", userName="ann", externalId="evil")
    assert house.catalog.subjects.find(ISSUER, "evil").scopes == {"ask"}
    assert house.catalog.subjects.scopes("ann") == ()


def test_a_directory_does_not_take_over_whom_the_provider_means_already(house: Any) -> None:
    house.catalog.subjects.link("bob", "corp", ISSUER, "7", by=TESTER)
    refused = send_as(house, ISSUER, "POST", "/Users", userName="ann", externalId="7")
    assert (refused.status, refused.body["scimType"]) == (409, "uniqueness")
    assert house.catalog.subjects.find(ISSUER, "7").name == "user:bob"
    assert "user:ann" not in house.catalog.people.users()


def test_without_a_provider_an_external_id_signs_nobody_in(house: Any) -> None:
    send_as(house, None, "POST", "/Users", userName="ann", externalId="1")
    assert house.catalog.subjects.list() == []


def test_the_provider_of_a_directory_must_be_one_of_those_that_are_known() -> None:
    corp = IdentityProvider(name="corp", issuer=ISSUER, audience="clearance")
    assert Settings().directory_issuer is None
    known = Settings(identity_providers=(corp,), directory_provider="corp")
    assert known.directory_issuer == KnownIssuer("corp", ISSUER)
    with pytest.raises(ValidationError):
        Settings(identity_providers=(corp,), directory_provider="other")


# --- whose they are -----------------------------------------------------------------------------


def test_a_directory_neither_sees_nor_changes_what_was_made_by_hand(
    house: Any, directory: Directory
) -> None:
    assert directory.done("GET", "/Users")["totalResults"] == 0
    assert directory.done("GET", "/Groups")["totalResults"] == 0
    for path, body in (
        ("/Users", {"schemas": [USER], "userName": "ada"}),
        ("/Groups", {"schemas": [GROUP], "displayName": "hr"}),
    ):
        refused = directory.send("POST", path, body)
        assert (refused.status_code, refused.json()["scimType"]) == (409, "uniqueness")
    assert "salaries.txt" in may_read(house, "ada")


def test_what_is_handed_over_is_the_directorys_from_then_on(
    house: Any, directory: Directory
) -> None:
    with pytest.raises(BadInput):  # ada is not, so the directory would drop her without seeing it
        house.catalog.directory.hand_over("group", "hr", by=TESTER)
    ada = house.catalog.directory.hand_over("user", "ada", "0001", by=TESTER)
    hr = house.catalog.directory.hand_over("group", "hr", by=TESTER)
    found = directory.done("GET", '/Users?filter=userName eq "ADA"')["Resources"]
    assert [(each["id"], each["externalId"]) for each in found] == [(ada, "0001")]
    assert directory.members(hr) == {ada}
    for change in (
        lambda people: people.add_member("hr", "user:bob", by=TESTER),
        lambda people: people.remove_member("hr", "user:ada", by=TESTER),
        lambda people: people.rename_group("hr", "humans", by=TESTER),
        lambda people: people.rename_user("ada", "adele", by=TESTER),
    ):
        with pytest.raises(BadInput):
            change(house.catalog.people)
    assert "salaries.txt" in may_read(house, "ada")
    directory.done("DELETE", f"/Users/{ada}")
    assert may_read(house, "ada") == set()


def test_what_is_taken_back_is_kept_by_hand_again(house: Any, directory: Directory) -> None:
    ann = directory.user("ann")
    team = directory.group("team", ann)
    with pytest.raises(BadInput):
        house.catalog.directory.take_back("user", "ann", by=TESTER)
    house.catalog.directory.take_back("group", "team", by=TESTER)
    house.catalog.directory.take_back("user", "ann", by=TESTER)
    assert directory.send("GET", f"/Groups/{team}").status_code == 404
    house.catalog.people.remove_member("team", "user:ann", by=TESTER)


def test_operators_may_put_the_directorys_people_into_groups_of_their_own(
    house: Any, directory: Directory
) -> None:
    ann = directory.user("ann")
    house.catalog.people.add_member("hr", "user:ann", by=TESTER)
    directory.done("PUT", f"/Users/{ann}", {"schemas": [USER], "userName": "ann"})
    assert "salaries.txt" in may_read(house, "ann")
    assert "groups" not in directory.done("GET", f"/Users/{ann}")
    house.catalog.people.remove_user("ann", by=TESTER)
    assert directory.send("GET", f"/Users/{ann}").status_code == 404


# --- lists, versions, and what is not offered ----------------------------------------------------


def test_lists_are_filtered_ordered_and_come_in_pages(directory: Directory) -> None:
    for number in range(25):
        more = {"emails": [{"value": f"n{number % 2}@example.org", "type": "work"}]}
        directory.user(f"Nr{number:02}", externalId=f"x{number}", title="Dr", **more)

    def names(query: str) -> list[str]:
        found = directory.done("GET", f"/Users?{query}")
        return [each["userName"] for each in found.get("Resources", [])]

    assert len(names("")) == 25
    assert names("startIndex=24&count=5") == ["Nr23", "Nr24"]
    assert directory.done("GET", "/Users?count=0")["totalResults"] == 25
    assert names("sortBy=userName&sortOrder=descending&count=1") == ["Nr24"]
    assert names("sortBy=externalId&count=2") == ["Nr00", "Nr01"]
    assert len(names("sortBy=groups.value")) == 25
    assert names('filter=userName eq "NR07"') == ["Nr07"]
    assert names('filter=userName sw "nr1" and externalId eq "x12"') == ["Nr12"]
    assert names('filter=externalId eq "x1" or userName co "03"') == ["Nr01", "Nr03"]
    assert len(names('filter=title pr and not (userName sw "nr0")')) == 15
    assert len(names('filter=emails[type eq "work" and value eq "n1@example.org"]')) == 12
    assert names('filter=emails.value eq "n1@example.org" and userName ew "11"') == ["Nr11"]
    for wrong in ("userName", 'userName eq "', 'nothing eq "a"', "userName xx 1"):
        refused = directory.send("GET", f"/Users?filter={wrong}")
        assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidFilter")


@pytest.mark.parametrize(
    "title",
    ["Istanbul", "\u0130stanbul", "\u212aelvin", "why\u037e", "caf\u00e9", "cafe\u0301", 'say "k"', "a\\k", "50%", "a_k"],
)  # fmt: skip
def test_what_is_found_by_its_text_is_what_the_library_finds(
    directory: Directory, title: str
) -> None:
    directory.user("ann", title=title, nickName="none")
    user: User[Any] = User(user_name="ann", title=title)
    for part in ("i", "k", "K", "e", ";", "istanbul", "kelvin", "caf", "%", "_", '\\"', "%k"):
        for operator in ("eq", "co", "sw", "ew"):
            asked = f'title {operator} "{part}"'
            found = directory.done("GET", f"/Users?filter={quote(asked)}")["totalResults"]
            assert found == ScimFilter[User](asked).match(user), asked


@pytest.mark.parametrize(
    "query",
    [
        "startIndex=99999999999999999999",
        "count=99999999999999999999",
        "startIndex=-1&count=-1",
        "sortBy=nothing",
        "sortBy=members.value",
        "attributes=%00",
        'filter=userName eq "%00"',
        'filter=groups[value eq "%00"]',
        'filter=externalId co "A"&sortBy=groups.value',
        "filter=" + "(" * 500 + "userName pr" + ")" * 500,
        "filter=meta.created gt 1",
        "filter=password pr",
        "cursor=x",
    ],
)
def test_hostile_questions_break_nothing(directory: Directory, query: str) -> None:
    directory.user("ann")
    for kind in ("Users", "Groups", "Users/%00", "Groups/" + "a" * 5_000):
        assert directory.send("GET", f"/{kind}?{query}").status_code in (200, 400, 404, 501)


def test_groups_are_found_by_their_members(directory: Directory) -> None:
    ann, ben = directory.user("ann"), directory.user("ben")
    directory.group("one", ann)
    directory.group("two", ann, ben)

    def names(query: str) -> set[str]:
        found = directory.done("GET", f"/Groups?filter={query}")
        return {each["displayName"] for each in found.get("Resources", [])}

    assert names(f'members eq "{ben}"') == {"two"}
    assert names(f'members[value eq "{ann}"]') == {"one", "two"}
    assert names(f'members.value eq "{ann}" and displayName eq "ONE"') == {"one"}
    told = directory.done("GET", "/Groups?excludedAttributes=members")["Resources"]
    assert all("members" not in each for each in told)


def test_a_version_that_is_not_the_newest_is_refused(directory: Directory) -> None:
    ann = directory.user("ann")
    tag = directory.send("GET", f"/Users/{ann}").headers["etag"]
    known = {"If-None-Match": tag}
    assert directory.send("GET", f"/Users/{ann}", **known).status_code == 304
    body = {"schemas": [USER], "userName": "ann", "title": "Dr"}
    assert directory.send("PUT", f"/Users/{ann}", body, **{"If-Match": tag}).status_code == 200
    body["title"] = "Prof"
    refused = directory.send("PUT", f"/Users/{ann}", body, **{"If-Match": tag})
    assert refused.status_code == 412
    team = directory.group("team")
    before = directory.send("GET", f"/Groups/{team}").headers["etag"]
    directory.patch(f"/Groups/{team}", {"op": "add", "path": "members", "value": [{"value": ann}]})
    assert directory.send("GET", f"/Groups/{team}").headers["etag"] != before
    add = [{"op": "add", "path": "displayName", "value": "b"}]
    patch = {"schemas": [PATCH], "Operations": add}
    refused = directory.send("PATCH", f"/Groups/{team}", patch, **{"If-Match": before})
    assert refused.status_code == 412


@pytest.mark.slow
def test_who_comes_and_goes_in_a_large_group_costs_what_it_costs_in_a_small_one(
    house: Any,
) -> None:
    """And to find one among many does not take the others."""
    with house.catalog.directory.writing(TESTER) as changes:
        ids = [
            changes.create("user", EntryValues(name=f"person{n}", attributes={})).id
            for n in range(1_500)
        ]
        large, small = (
            changes.create("group", EntryValues(name=name, attributes={}, members=members)).id
            for name, members in (("large", ids[1:]), ("small", ids[1:3]))
        )

    def cost(*requests: ScimRequest) -> float:
        begun = time.process_time()
        for request in requests * 10:
            assert answer(house.catalog.directory, request, TESTER).status < 300
        return time.process_time() - begun

    def change(group: str) -> float:
        add = {"op": "add", "path": "members", "value": [{"value": ids[0]}]}
        remove = {"op": "remove", "path": f'members[value eq "{ids[0]}"]'}
        bodies = [json.dumps({"schemas": [PATCH], "Operations": [op]}) for op in (add, remove)]
        at = f"/Groups/{group}"
        return cost(*(ScimRequest("PATCH", "", at, {}, {}, body.encode()) for body in bodies))

    def find(query: str) -> float:
        return cost(ScimRequest("GET", "", "/Users", {"filter": query}))

    assert min(change(large) for _ in range(3)) < 3 * min(change(small) for _ in range(3))
    scan = find('not (title pr) and title eq "none"') + find("title pr")
    for query in ('userName eq "person7"', 'emails[type eq "work" and value eq "a@example.org"]'):
        assert min(find(query) for _ in range(2)) < scan / 10


def test_several_at_once_are_not_offered(directory: Directory) -> None:
    told = directory.done("GET", "/ServiceProviderConfig")
    assert told["bulk"]["supported"] is False
    schema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
    refused = directory.send("POST", "/Bulk", {"schemas": [schema], "Operations": []})
    assert refused.status_code == 501


def test_passwords_are_not_kept(house: Any, directory: Directory) -> None:
    ann = directory.user("ann", password="correct horse")
    assert "horse" not in str(directory.done("GET", f"/Users/{ann}"))
    for file in house.settings.home.rglob("catalog.sqlite*"):
        assert b"correct horse" not in file.read_bytes()


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'"a"', b"[" * 50_000, b'{"schemas": 1}'])
def test_broken_bodies_are_told_in_the_directorys_words(
    directory: Directory, broken: bytes
) -> None:
    headers = directory.headers | {"Content-Type": "application/scim+json"}
    for method, path in (("POST", "/Users"), ("PUT", "/Users/x"), ("PATCH", "/Groups/x")):
        refused = directory.http.request(method, f"/scim/v2{path}", headers=headers, content=broken)
        assert refused.status_code in (400, 404), refused.text
        assert refused.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


def test_only_a_key_for_people_opens_it(house: Any, http: TestClient, directory: Directory) -> None:
    for headers, status in (({}, 401), (house.headers("ada"), 403), (house.headers("root"), 200)):
        reply = http.get("/scim/v2/Users", headers=headers)
        assert reply.status_code == status
        if status != 200:
            assert reply.headers["content-type"] == "application/scim+json"
            assert reply.json()["status"] == str(status)
    key_id = directory.headers["Authorization"].split("_")[1]
    house.catalog.keys.revoke(key_id, by=TESTER)
    assert directory.send("GET", "/Users").status_code == 401
    asked = http.post("/search", json=SEARCH, headers=directory.headers)
    assert asked.status_code == 401


def test_a_key_for_people_asks_nothing(http: TestClient, directory: Directory) -> None:
    assert http.post("/search", json=SEARCH, headers=directory.headers).status_code == 403


def test_an_unknown_place_is_told_in_the_directorys_words(directory: Directory) -> None:
    for path in ("/", "/Nothing", "/Users/a/b", "/Users/%2e%2e"):
        refused = directory.send("GET", path)
        assert refused.status_code in (404, 501)
        assert refused.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


def test_rules_that_deny_somebody_hold_whatever_the_directory_does(
    house: Any, directory: Directory
) -> None:
    ann = directory.user("ann", externalId="1")
    denied = Readers(allow=frozenset({"public"}), deny=frozenset({"user:ann"}))
    house.put("letter", "Not for her.", denied)
    directory.patch(f"/Users/{ann}", {"op": "replace", "path": "userName", "value": "anna"})
    assert may_read(house, "anna") == {"menu.txt"}
    directory.done("DELETE", f"/Users/{ann}")
    directory.user("anna", externalId="1")
    assert may_read(house, "anna") == {"menu.txt"}
    with pytest.raises(StillDenied):
        house.catalog.people.remove_user("anna", by=TESTER)
