"""Whatever a directory does, in whatever order, everybody reads what a model of ten lines says."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse

from indexes.catalog import Catalog
from indexes.model import Principal
from service.http.scim.handler import answer
from tests.databases import examples
from tests.quick import QUICK
from tests.service.test_scim import GROUP, PATCH, USER
from tests.world import TESTER, World

pytestmark = pytest.mark.slow
chance = st.randoms(use_true_random=False)


class AnyOrderOfADirectory(RuleBasedStateMachine):
    """People and groups are ids; a document for each, and one that some groups are denied."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=QUICK)
        self.world = World(Path(self.folder.name))
        self.elsewhere = Catalog.open(self.world.settings.catalog_url)  # as another process has it
        self.count = 0
        self.names: dict[str, str] = {}  # present name of everybody who was ever there
        self.external: dict[str, str] = {}
        self.active: dict[str, bool] = {}
        self.left: set[str] = set()
        self.members: dict[str, set[str]] = {}  # by group that is there
        self.denied: set[str] = set()  # groups

    # --- the model ---

    def groups_of(self, who: str) -> set[str]:
        mine, before = {who}, set[str]()
        while mine != before:
            before = set(mine)
            mine |= {group for group, its in self.members.items() if its & mine}
        return mine

    def readable(self, user: str) -> set[str]:
        if not self.active[user] or user in self.left:
            return set()
        mine = self.groups_of(user)
        return {f"of {each}" for each in mine} | {f"not for {each}" for each in self.denied - mine}

    # --- the directory ---

    def send(self, method: str, path: str, body: Any = None, expect: int = 200) -> ScimResponse:
        content = b"" if body is None else json.dumps(body).encode()
        request = ScimRequest(method, "http://here/scim/v2", path, {}, {}, content)
        told = answer(self.world.catalog.directory, request, TESTER)
        assert told.status == expect, (method, path, body, told.body)
        return told

    def fresh(self, kind: str) -> str:
        self.count += 1
        return f"{kind} {self.count}"

    def some(self, random: Any, of: Any, most: int = 3) -> set[str]:
        known = self.in_order(of)
        return set(random.sample(known, min(len(known), random.randint(0, most))))

    def one(self, random: Any, of: Any) -> str:
        return str(random.choice(self.in_order(of)))

    def in_order(self, ids: Any) -> list[str]:
        """As they came: the ids themselves are other ones each time."""
        return [each for each in self.names if each in ids]

    def there(self) -> set[str]:
        """Who may be a member: users who have not left, and groups."""
        return (set(self.active) - self.left) | set(self.members)

    @rule(active=st.sampled_from([None, True, False]))
    def hire(self, active: bool | None) -> None:
        name = self.fresh("person")
        body = {"schemas": [USER], "userName": name, "externalId": f"x {name}"}
        made = self.send(
            "POST", "/Users", body | ({} if active is None else {"active": active}), 201
        )
        assert made.body is not None
        user = made.body["id"]
        self.names[user], self.external[user] = name, f"x {name}"
        self.active[user] = active is not False
        self.world.put(f"of {user}", "Own.", f"user:{name}")

    @rule(random=chance, denied=st.booleans())
    def found(self, random: Any, denied: bool) -> None:
        name, its = self.fresh("group"), self.some(random, self.there())
        made = self.send("POST", "/Groups", self.group_body(name, its), 201)
        assert made.body is not None
        group = made.body["id"]
        self.names[group], self.members[group] = name, its
        self.world.put(f"of {group}", "The group's.", f"group:{name}")
        if denied:
            self.denied.add(group)
            self.world.put(f"not for {group}", "Others'.", "public", deny=[f"group:{name}"])

    @precondition(lambda self: self.members)
    @rule(random=chance)
    def put_members(self, random: Any) -> None:
        group, its = self.one(random, self.members), self.some(random, self.there(), 5)
        self.send("PUT", f"/Groups/{group}", self.group_body(self.names[group], its))
        self.members[group] = its

    @precondition(lambda self: self.members and self.there())
    @rule(random=chance)
    def patch_members(self, random: Any) -> None:
        group, before = self.one(random, self.members), self.members
        operations, its = [], set(before[group])
        for _ in range(random.randint(1, 3)):
            some = self.some(random, self.there(), 2)
            kind = random.choice(["add", "remove one", "remove these", "replace", "clear"])
            value = [{"value": each} for each in sorted(some)]
            if kind in ("add", "remove these") and not some:
                continue
            if kind == "add":
                operations.append({"op": "add", "path": "members", "value": value})
                its |= some
            elif kind == "remove one":
                gone = self.one(random, self.there())
                operations.append({"op": "remove", "path": f'members[value eq "{gone}"]'})
                its.discard(gone)
            elif kind == "remove these":
                operations.append({"op": "remove", "path": "members", "value": value})
                its -= some
            elif kind == "replace":
                operations.append({"op": "replace", "path": "members", "value": value})
                its = set(some)
            else:
                operations.append({"op": "remove", "path": "members"})
                its = set()
        if operations:
            body = {"schemas": [PATCH], "Operations": operations}
            self.send("PATCH", f"/Groups/{group}", body, 204)
            self.members[group] = its

    @precondition(lambda self: set(self.active) - self.left)
    @rule(random=chance, active=st.booleans())
    def suspend(self, random: Any, active: bool) -> None:
        user = self.one(random, set(self.active) - self.left)
        changed = [{"op": "replace", "path": "active", "value": active}]
        body = {"schemas": [PATCH], "Operations": changed}
        self.send("PATCH", f"/Users/{user}", body, 204)
        self.active[user] = active

    @precondition(lambda self: set(self.active) - self.left)
    @rule(random=chance)
    def put_person(self, random: Any) -> None:
        user = self.one(random, set(self.active) - self.left)
        body = {"schemas": [USER], "userName": self.names[user], "externalId": self.external[user]}
        self.send("PUT", f"/Users/{user}", body | {"title": self.fresh("title")})

    @precondition(lambda self: set(self.active) - self.left)
    @rule(random=chance)
    def leave(self, random: Any) -> None:
        user = self.one(random, set(self.active) - self.left)
        self.send("DELETE", f"/Users/{user}", expect=204)
        self.left.add(user)
        for its in self.members.values():
            its.discard(user)

    @precondition(lambda self: self.left)
    @rule(random=chance, same=st.booleans())
    def come_back(self, random: Any, same: bool) -> None:
        user = self.one(random, self.left)
        body = {"schemas": [USER], "userName": self.names[user]}
        if not same:
            self.send("POST", "/Users", body, 409)
            return
        self.send("POST", "/Users", body | {"externalId": self.external[user]}, 201)
        self.left.discard(user)
        self.active[user] = True

    @precondition(lambda self: self.there())
    @rule(random=chance)
    def rename(self, random: Any) -> None:
        who = self.one(random, self.there())
        former, name = self.names[who], self.fresh("renamed")
        attribute, path = (
            ("displayName", "/Groups") if who in self.members else ("userName", "/Users")
        )
        changed = [{"op": "replace", "path": attribute, "value": name}]
        self.send("PATCH", f"{path}/{who}", {"schemas": [PATCH], "Operations": changed}, 204)
        self.names[who] = name
        schema = GROUP if who in self.members else USER
        self.send("POST", path, {"schemas": [schema], attribute: former}, 409)

    @precondition(lambda self: self.members)
    @rule(random=chance)
    def dissolve(self, random: Any) -> None:
        group = self.one(random, self.members)
        if self.groups_of(group) & self.denied:
            self.send("DELETE", f"/Groups/{group}", expect=409)
            return
        self.send("DELETE", f"/Groups/{group}", expect=204)
        del self.members[group]
        for its in self.members.values():
            its.discard(group)

    def group_body(self, name: str, its: set[str]) -> dict[str, Any]:
        members = [{"value": each} for each in sorted(its)]
        return {"schemas": [GROUP], "displayName": name, "members": members}

    # --- what must hold ---

    @invariant()
    def everybody_reads_what_the_model_says(self) -> None:
        for user in getattr(self, "active", {}):
            asker = Principal(name=f"user:{self.names[user]}")
            assert set(self.elsewhere.documents.paths(asker)) == self.readable(user), user

    @invariant()
    def the_directory_sees_what_it_has_made(self) -> None:
        for group, its in getattr(self, "members", {}).items():
            told = self.send("GET", f"/Groups/{group}").body
            assert told is not None
            assert {each["value"] for each in told.get("members", ())} == its

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.elsewhere.close()
            self.world.close()
            self.folder.cleanup()


TestAnyOrderOfADirectory = AnyOrderOfADirectory.TestCase
TestAnyOrderOfADirectory.settings = settings(
    max_examples=examples(12), stateful_step_count=30, deadline=None
)
