"""Generated requests to every operation of the OpenAPI document, as an administrator and as
anybody.

Nothing breaks, replies are what the document says, and no byte of them comes from a hidden
document, whatever stands in its metadata.
"""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from indexes.testing import HashingEmbedder
from service.app import create_app
from service.leaktest.comparing import find_words
from service.testing.loopback import Loopback
from service.testing.models import ScriptedModel
from tests.attack.hidden import CANARY, METADATA, Change, without_what_operators_go_by
from tests.attack.twins import talkative
from tests.world import TESTER, World

EXAMPLES = int(os.environ.get("ATTACK_EXAMPLES", "6"))  # for each operation and role
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a service whose hidden documents are hostile, and a key by role."""
    world = World(tmp_path_factory.mktemp("schema"))
    world.people(eve=["staff"], root=[], bob=["board"])
    for n in range(4):
        Change("put openly", n, n).made_in(world)
    for n, metadata in enumerate(METADATA):
        world.put(
            f"h{n}",
            f"{CANARY} {n}",
            "group:board",
            title=CANARY,
            path=f"{CANARY}/{n}",
            metadata=metadata,
        )
    for n in range(8):
        Change("put", n, random.Random(n).getrandbits(32)).made_in(world)
    keys = {"anybody": world.catalog.keys.issue("eve", by=TESTER).secret}
    keys["administrator"] = world.catalog.keys.issue(
        "root", scopes=["ask", "admin"], by=TESTER
    ).secret
    app = create_app(
        world.settings,
        embedder=world.embedder,
        model=ScriptedModel(talkative),
        catalog=world.catalog,
        load_embedder=lambda name, *_: HashingEmbedder(name=name),
    )
    with Loopback(app, lifespan="on") as loopback:
        yield loopback.url, keys
    world.close()


@pytest.mark.slow
@pytest.mark.parametrize("role", ["anybody", "administrator"])
def test_generated_requests_break_nothing_and_are_told_nothing(
    service: tuple[str, dict[str, str]], role: str
) -> None:
    url, keys = service
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    asked = []
    for operation in schema.get_all_operations():
        tried: Any = operation.ok()  # type: ignore[union-attr]
        asked.append(tried.label)
        attack(tried, {"Authorization": f"Bearer {keys[role]}"})
    assert len(asked) > 20


def attack(operation: Any, headers: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        answered = case.call(headers=headers)
        case.validate_response(answered, checks=CHECKS)
        told = answered.content + repr(answered.headers).encode()
        found = find_words(without_what_operators_go_by(operation.label, told), [CANARY])
        assert not found, f"{operation.label} tells of a hidden document"

    run()
