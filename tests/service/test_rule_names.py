"""Names in the rules that administrators send: unknown ones are told with the nearest, in a deny
they are refused.
"""

from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from service.app import create_app
from service.cli import models as model_commands
from service.cli import templates as template_commands
from service.testing.models import ScriptedModel
from tests.service.test_http_hostile import TEMPLATES

MODEL, TEMPLATE = "/admin/models/readers", "/admin/templates"
DRAFT = TEMPLATES["/admin/templates"]["draft"]


@pytest.fixture
def http(house: Any) -> TestClient:
    return TestClient(house.app)


def send(http: TestClient, house: Any, door: str, readers: dict[str, Any]) -> Any:
    headers = house.headers("root")
    if door == "model":
        return http.put(MODEL, json={"model": "vault", "readers": readers}, headers=headers)
    if door == "save":
        return http.post(
            TEMPLATE, json={"name": "plain", "readers": readers, "draft": DRAFT}, headers=headers
        )
    return http.put(f"{TEMPLATE}/known/readers", json=readers, headers=headers)


@pytest.fixture(autouse=True)
def known(house: Any) -> None:
    with TestClient(house.app) as http:
        body = {"name": "known", "readers": {"allow": ["group:hr"]}, "draft": DRAFT}
        made = http.post(TEMPLATE, json=body, headers=house.headers("root"))
        assert made.status_code == 201, made.text


@pytest.mark.parametrize("door", ["model", "save", "relabel"])
def test_unknown_names_are_told_and_in_a_deny_refused_without_a_change(
    house: Any, http: TestClient, door: str
) -> None:
    with http:
        before = house.catalog.models.list(), house.catalog.templates.list()
        refused = send(http, house, door, {"allow": ["public"], "deny": ["user:Bob"]})
        assert refused.status_code == 422, refused.text
        assert "Is user:bob meant?" in refused.json()["detail"]
        assert (house.catalog.models.list(), house.catalog.templates.list()) == before
        told = send(http, house, door, {"allow": ["group:hrr", "group:hr"]})
        assert told.is_success, told.text
        assert told.json()["warnings"] == ["group:hrr is not declared. Is group:hr meant?"]
        assert send(http, house, door, {"allow": ["group:hr"]}).json()["warnings"] == []


def test_where_the_operator_says_so_no_unknown_name_is_taken(house: Any) -> None:
    strict = house.settings.model_copy(update={"unknown_principals": "refuse"})
    app = create_app(
        strict, embedder=house.embedder, catalog=house.catalog, model=ScriptedModel("x")
    )
    with TestClient(app) as http:
        for door in ("model", "save", "relabel"):
            assert send(http, house, door, {"allow": ["group:hrr"]}).status_code == 422


def test_the_commands_warn_and_refuse_in_the_same_way(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_HOME", str(house.settings.home))
    for app, words in (
        (model_commands.app, ["allow", "vault"]),
        (template_commands.app, ["readers", "known"]),
    ):
        warned = CliRunner().invoke(app, [*words, "--allow", "group:hrr"])
        assert warned.exit_code == 0, warned.output
        assert "warning: group:hrr is not declared. Is group:hr meant?" in warned.stderr
        assert (
            CliRunner().invoke(app, [*words, "--allow", "public", "--deny", "user:Bob"]).exit_code
            == 1
        )
