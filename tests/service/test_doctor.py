"""What `clearance doctor` says of the model server and of the way to the service."""

import asyncio
from dataclasses import replace

import pytest

from indexes.cli.doctor.findings import Finding, run_checks
from indexes.errors import GeneratorUnavailable
from indexes.settings import Settings
from service.cli.checks import (
    CHECKS,
    ModelFacts,
    Reach,
    is_loopback,
    judge_model,
    judge_open_routes,
    judge_reach,
)
from service.llm import find_open_routes
from service.testing.model_server import FakeVllm
from service.testing.models import ScriptedModel

HERE = Reach(
    host="127.0.0.1",
    public_url=None,
    trusted_proxies="127.0.0.1",
    cors_origins=(),
    signs_in=False,
)
PUBLIC = replace(HERE, public_url="https://ask.example.org", signs_in=True)
PATIENT = [replace(check, limit_s=120) for check in CHECKS]  # the machine may be busy
MODEL = ModelFacts(name="qwen", window=16_384, counted=24)


@pytest.mark.parametrize(
    ("reach", "states"),
    [
        (HERE, ["good", "good", "good"]),
        (PUBLIC, ["good", "good", "good"]),
        (replace(PUBLIC, public_url=None), ["wrong", "good", "good"]),
        (replace(PUBLIC, public_url="http://ask.example.org"), ["wrong", "good", "good"]),
        (replace(HERE, host="0.0.0.0"), ["advice", "good", "good"]),
        (replace(PUBLIC, host="0.0.0.0"), ["good", "advice", "good"]),
        (replace(PUBLIC, host="::", trusted_proxies="10.0.0.0/24"), ["good", "good", "good"]),
        (replace(PUBLIC, trusted_proxies="*"), ["good", "wrong", "good"]),
        (replace(PUBLIC, trusted_proxies="10.0.0.1, 0.0.0.0/0"), ["good", "wrong", "good"]),
        (replace(PUBLIC, trusted_proxies="my proxy"), ["good", "wrong", "good"]),
        (replace(PUBLIC, cors_origins=("https://a.example",)), ["good", "good", "good"]),
        (replace(PUBLIC, cors_origins=("http://localhost:3000",)), ["good", "good", "good"]),
        (replace(PUBLIC, cors_origins=("http://a.example",)), ["good", "good", "advice"]),
    ],
)
def test_each_part_of_the_way_to_the_service_is_judged_alone(reach: Reach, states: list[str]):
    found = judge_reach(reach)
    assert [each.state for each in found] == states
    assert all((each.remedy is None) == (each.state == "good") for each in found)


@pytest.mark.parametrize(
    ("finding", "state"),
    [
        (judge_model(None, 512), "good"),
        (judge_model(MODEL, 512), "good"),
        (judge_model(replace(MODEL, window=1_024), 512), "advice"),
        (judge_model(GeneratorUnavailable("It takes no connection."), 512), "wrong"),
        (judge_open_routes("http://127.0.0.1:8000", ["/metrics"]), "good"),
        (judge_open_routes("http://vllm:8000", []), "good"),
        (judge_open_routes("http://vllm:8000", ["/metrics"]), "advice"),
    ],
)
def test_the_model_server_is_judged(finding: Finding, state: str) -> None:
    assert finding.state == state
    assert (finding.remedy is None) == (state == "good")


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("vllm", False)],
)
def test_only_addresses_of_this_machine_are_its_own(host: str, alone: bool) -> None:
    assert is_loopback(host) == alone


def test_a_model_server_that_serves_is_told_with_its_window_and_its_open_routes() -> None:
    with FakeVllm(ScriptedModel("Yes.")) as server:
        settings = Settings(llm_url=server.url)
        found = run_checks(PATIENT, settings)
        open_routes = asyncio.run(find_open_routes(settings, 60))
    assert [each.state for each in found["model"]] == ["good"]
    assert "tokens; its template works" in found["model"][0].told
    assert [route for route, _ in server.requests].count("/tokenize") == 1
    assert open_routes == {server.url: ["/v1/models"]}


def test_a_model_server_that_is_down_is_told_and_nothing_breaks() -> None:
    found = run_checks(PATIENT, Settings(llm_url="http://127.0.0.1:1"))
    assert [each.state for each in found["model"]] == ["wrong"]
    assert {each.state for some in found.values() for each in some} == {"good", "wrong"}
