"""The leak test of operators finds planted leaks, finds nothing where nothing leaks, and leaves
nothing behind.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexes.catalog import Catalog
from indexes.catalog.reading import ReadState
from indexes.errors import Busy
from indexes.model import IndexGeneration
from indexes.testing import HashingEmbedder
from service.app import create_app
from service.http import middleware, replies
from service.leaktest import checks
from service.leaktest.attack import attack_service
from service.leaktest.canaries import PREFIX, Canaries, remove_canaries
from service.leaktest.client import ServiceAway
from service.leaktest.report import LeakReport
from service.leaktest.statistics import measure_separation
from service.runtime import Readiness, Runtime
from service.testing.loopback import Loopback
from service.testing.models import ScriptedModel
from tests.service.conftest import House
from tests.world import TESTER

EMBEDDER = HashingEmbedder()


def embedder_of(generation: IndexGeneration) -> HashingEmbedder:
    return EMBEDDER


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer filters and changes: those leaks are found with any."""
    honest = checks._HiddenChanges.by_description
    few = ("one was added", "some were removed")
    monkeypatch.setattr(checks, "PLAIN_FILTERS", ())
    monkeypatch.setattr(checks, "HOSTILE_FILTERS", ())
    monkeypatch.setattr(checks, "ROUNDS", 1)
    monkeypatch.setattr(
        checks._HiddenChanges,
        "by_description",
        lambda changes: {what: honest(changes)[what] for what in few},
    )


@pytest.fixture
def url(house: House) -> Iterator[str]:
    """The service behind a real HTTP server."""
    app = create_app(
        house.settings,
        embedder=EMBEDDER,
        model=ScriptedModel("It rises [1]."),
        catalog=house.catalog,
    )
    with Loopback(app, lifespan="on") as loopback:
        yield loopback.url


def everything(catalog: Catalog) -> tuple[Any, ...]:
    people = catalog.people
    return (
        people.users(),
        people.groups(),
        sorted(catalog.documents.stored("")),
        [key.id for key in catalog.keys.list()],
    )


def report_on(url: str, house: House, pairs: int = 0) -> LeakReport:
    before = everything(house.catalog)
    report = attack_service(url, house.catalog, embedder_of, pairs=pairs, by=TESTER)
    assert everything(house.catalog) == before, "the leak test left something behind"
    return report


def test_nothing_is_found_where_nothing_leaks(url: str, house: House) -> None:
    report = report_on(url, house, pairs=5)
    assert report.describe()[-1] == "Nothing was found.", report.describe()
    assert set(report.tried) == {"doors", "interference", "revocation", "time"}
    assert json.loads(json.dumps(report.as_dict()))["leaks"] is False


@pytest.mark.usefixtures("quick")
def test_a_score_that_follows_hidden_text_is_found(
    url: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = replies._hit_values

    def leaking(hit: Any) -> dict[str, Any]:
        score = hit.score + 1e-9 * len(house.catalog.documents.stored(""))
        return {**honest(hit), "score": score}

    monkeypatch.setattr(replies, "_hit_values", leaking)
    assert checks_of(report_on(url, house)) == {"interference"}


@pytest.mark.usefixtures("quick")
def test_a_filter_that_looks_at_hidden_documents_is_found(
    url: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = ReadState.matching

    def leaking(self: ReadState, filters: Any, principal: Any) -> Any:
        if filters.collection and len(house.catalog.documents.stored("leaktest:")) % 2:
            raise Busy
        return honest(self, filters, principal)

    monkeypatch.setattr(ReadState, "matching", leaking)
    report = report_on(url, house)
    assert checks_of(report) == {"interference"}
    assert all("filtered" in finding.door for finding in report.findings)


@pytest.mark.usefixtures("quick")
def test_a_count_in_a_header_is_found(
    url: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = middleware._add_safe_headers

    def leaking(message: Any, request_id: str) -> None:
        honest(message, request_id)
        total = str(len(house.catalog.documents.stored("")))
        message["headers"].append((b"x-total", total.encode()))

    monkeypatch.setattr(middleware, "_add_safe_headers", leaking)
    assert checks_of(report_on(url, house)) == {"interference"}


@pytest.mark.usefixtures("quick")
def test_a_hidden_word_in_an_error_is_found(
    url: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = middleware._add_safe_headers

    def leaking(message: Any, request_id: str) -> None:
        honest(message, request_id)
        groups = ",".join(house.catalog.people.groups())
        message["headers"].append((b"x-groups", groups.encode()))

    monkeypatch.setattr(middleware, "_add_safe_headers", leaking)
    assert "doors" in checks_of(report_on(url, house))


@pytest.mark.usefixtures("quick")
def test_a_readiness_that_waits_for_hidden_writes_is_found(
    url: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, seen = Runtime.readiness, [0]

    async def leaking(self: Runtime) -> Readiness:
        with self.catalog.reading() as state:
            number = state.mark.number
        if number != seen[0]:
            time.sleep(0.02)
            seen[0] = number
        return await honest(self)

    monkeypatch.setattr(Runtime, "readiness", leaking)
    report = report_on(url, house, pairs=25)
    assert "/readyz after a hidden write" in {finding.door for finding in report.findings}


@pytest.mark.usefixtures("quick")
def test_a_right_that_is_taken_away_late_is_found(
    url: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(house.catalog.people), "remove_member", lambda *given, **named: None)
    report = report_on(url, house)
    assert {finding.what for finding in report.findings} == {"after group"}


def test_a_service_that_is_not_there_is_told_and_nothing_is_left(house: House) -> None:
    before = everything(house.catalog)
    with pytest.raises(ServiceAway):
        attack_service("http://127.0.0.1:9", house.catalog, embedder_of, pairs=0, by=TESTER)
    assert everything(house.catalog) == before


def test_the_service_of_another_home_is_noticed(url: str, house: House, tmp_path: Path) -> None:
    other = Catalog.open(f"sqlite:///{tmp_path}/other.sqlite")
    other.generations.ensure(EMBEDDER.name, EMBEDDER.fingerprint, EMBEDDER.dimension, by=TESTER)
    with pytest.raises(checks.NothingToSee):
        attack_service(url, other, embedder_of, pairs=0, by=TESTER)
    assert not [name for name in other.people.users() if PREFIX in name]
    other.close()


def test_what_a_killed_test_left_behind_can_be_removed(house: House) -> None:
    before = everything(house.catalog)
    left = Canaries(house.catalog, embedder_of, by=TESTER)
    house.catalog.people.add_group(left.group, by=TESTER)
    left.add_person("insider", left.group)
    left.put("open", "Something.", "public")
    assert remove_canaries(house.catalog, by=TESTER) == 3
    assert everything(house.catalog) == before


INTERRUPTED = """
import sys, time
from indexes.catalog import Catalog
from indexes.model import Actor
from indexes.testing import HashingEmbedder
from service.leaktest import checks
from service.leaktest.client import ServiceAway
from service.cli.leaktest import end_on_signals
from service.leaktest.attack import attack_service
def waiting(*given):
    print("placed", flush=True)
    time.sleep(60)
checks.look_through_every_door = waiting
with end_on_signals():
    catalog, embedder = Catalog.open(sys.argv[2]), HashingEmbedder()
    attack_service(sys.argv[1], catalog, lambda generation: embedder, by=Actor("system:test"), pairs=0)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_removes_everything(url: str, house: House, number: signal.Signals) -> None:
    before = everything(house.catalog)
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, url, house.settings.catalog_url],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "placed\n"
    assert everything(house.catalog) != before
    process.send_signal(number)
    assert process.wait(30) != 0
    assert everything(house.catalog) == before


def test_mann_whitney_by_hand() -> None:
    found = measure_separation([2.0, 4.0, 4.0], [1.0, 3.0, 4.0])
    assert found.auc == pytest.approx((1 + 2.5 + 2.5) / 9)
    assert measure_separation([1.0, 1.0], [1.0, 1.0]).auc == 0.5
    apart = measure_separation([float(n) for n in range(100)], [float(n) for n in range(200, 300)])
    assert apart.auc == 1.0
    assert apart.p < 1e-9
    assert apart.is_above(0.6)
    assert not measure_separation([1.0, 2.0, 3.0], [1.5, 2.5, 2.0]).is_above(0.6)


def checks_of(report: LeakReport) -> set[str]:
    return {finding.check for finding in report.findings}
