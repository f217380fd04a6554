"""Rebuilds from the queue: what a job holds is checked when it is taken."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from indexes.job_kinds import REBUILD
from service.cli.uvicorn_server import _Server
from service.operating.rebuild_jobs import RebuildJobs
from tests.world import TESTER, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "home")
    made.put("menu", "The canteen opens at noon.", "public")
    yield made
    made.close()


@pytest.mark.parametrize("payload", [{"model": 5}, {"modell": "other"}, {"model": ["a"]}])
def test_a_job_that_holds_something_else_fails_with_a_reason_and_the_next_is_done(world, payload):
    queue = world.catalog.jobs
    bad, good = (queue.enqueue(REBUILD, each, by=TESTER) for each in (payload, {"model": None}))
    RebuildJobs(world.catalog, lambda name, *_: world.embedder).run(once=True)
    failed = queue.get(bad.id)
    assert failed.state == "failed"
    assert failed.error is not None
    assert next(iter(payload)) in failed.error
    assert queue.get(good.id).state == "done"


def test_a_server_that_is_told_to_stop_tells_the_job_at_once(world):
    server = _Server(uvicorn.Config(lambda: None))
    jobs = RebuildJobs(world.catalog, lambda name, *_: world.embedder)
    server.when_told_to_stop = jobs.tell_to_stop
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit
    assert jobs._stopping.is_set()
