"""The runner of jobs: one runner does a job, none is lost, and none is tried for ever."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any

import pytest

from indexes import jobs
from indexes.catalog import Catalog
from indexes.catalog.jobs import Job, Jobs
from indexes.errors import BadInput, Busy, CatalogUnavailable, LeaseLost, NotFound, ShuttingDown
from indexes.jobs import Attempt, Handler, JobRunner
from tests.world import TESTER, World

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def _told_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PROGRESS_S", 0.01)


@pytest.fixture
def queue(world: World) -> Jobs:
    return world.catalog.jobs


@pytest.fixture
def other(world: World) -> Iterator[Jobs]:
    """The same queue as another process sees it."""
    catalog = Catalog.open(world.settings.catalog_url)
    yield catalog.jobs
    catalog.close()


def runner(queue: Jobs, handler: Handler, **options: Any) -> JobRunner:
    return JobRunner(queue, {"count": handler}, **{"by": TESTER, "poll_s": 0.01, **options})


def echo(payload: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
    return {"echo": payload["n"]}


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def progress_of(queue: Jobs, job: Job) -> tuple[str, int, int]:
    seen = queue.get(job.id)
    return seen.state, seen.done, seen.total


def take_over(other: Jobs, job: Job) -> Job:
    """What happens when a worker sleeps longer than its lease."""
    end, taken = time.monotonic() + PATIENCE_S, None
    while taken is None:  # a worker that is awake may have renewed it in between
        assert time.monotonic() < end
        other.progress(other.get(job.id), 0, 0, lease_s=-1, by=TESTER)
        taken = other.claim(["count"], lease_s=60, by=TESTER)
    assert taken.id == job.id
    return taken


def work_until_told(begun: Event, told: list[Exception]) -> Handler:
    """Works until it is told to end, and keeps what it was told."""

    def handler(payload: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
        begun.set()
        end, steps = time.monotonic() + PATIENCE_S, 0
        while time.monotonic() < end:
            steps += 1
            try:
                attempt.report(steps, 0)
            except (LeaseLost, ShuttingDown) as error:
                told.append(error)
                raise
            time.sleep(0.005)
        return {}

    return handler


def test_jobs_are_done_in_their_order_until_none_waits(queue):
    done = []

    def handler(payload, attempt):
        done.append(payload["n"])
        return {"n": payload["n"]}

    waiting = [queue.enqueue("count", {"n": n}, by=TESTER) for n in range(3)]
    runner(queue, handler).run(once=True)
    assert done == [0, 1, 2]
    assert [(queue.get(job.id).state, queue.get(job.id).result) for job in waiting] == [
        ("done", {"n": n}) for n in range(3)
    ]


def test_each_kind_has_its_handler_and_other_kinds_are_left_alone(queue):
    handlers: dict[str, Handler] = {
        "a": lambda payload, attempt: {"by": "a"},
        "b": lambda payload, attempt: {"by": "b"},
    }
    made = JobRunner(queue, handlers, poll_s=1, by=TESTER)
    waiting = {kind: queue.enqueue(kind, {}, by=TESTER) for kind in ("a", "b", "c")}
    made.run(once=True)
    assert made.get(waiting["a"].id).result == {"by": "a"}
    assert made.get(waiting["b"].id).result == {"by": "b"}
    assert queue.get(waiting["c"].id).state == "queued"
    with pytest.raises(NotFound):
        made.get(waiting["c"].id)
    with pytest.raises(NotFound):
        made.get("no such job")


def test_a_runner_in_a_thread_begins_as_soon_as_a_job_is_put_down(queue):
    made = runner(queue, echo, poll_s=60)
    made.start()
    time.sleep(0.1)  # it found nothing, and sleeps
    job = made.enqueue("count", {"n": 7}, by=TESTER)
    until(lambda: made.get(job.id).state == "done")
    made.stop()
    assert made.get(job.id).result == {"echo": 7}


# --- progress -----------------------------------------------------------------------------------


def test_progress_is_seen_while_the_job_goes_on_and_in_its_end(queue, other):
    seen = Event()

    def handler(payload, attempt):
        attempt.report(1, 3)
        assert seen.wait(PATIENCE_S)
        attempt.report(3, 3)
        return {}

    job = queue.enqueue("count", {}, by=TESTER)
    made = runner(queue, handler)
    made.start()
    until(lambda: progress_of(other, job) == ("running", 1, 3))
    seen.set()
    until(lambda: progress_of(other, job) == ("done", 3, 3))
    made.stop()


def test_progress_of_a_failed_job_is_kept(queue):
    def handler(payload, attempt):
        attempt.report(2, 3)
        raise BadInput

    job = queue.enqueue("count", {}, by=TESTER)
    runner(queue, handler).run(once=True)
    assert progress_of(queue, job) == ("failed", 2, 3)


def test_progress_is_written_seldom_however_often_it_is_reported(queue, monkeypatch):
    monkeypatch.setattr(jobs, "PROGRESS_S", 0.1)
    written = []
    monkeypatch.setattr(queue, "progress", lambda job, done, total, **lease: written.append(done))

    def handler(payload, attempt):
        end, n = time.monotonic() + 0.55, 0
        while time.monotonic() < end:
            n += 1
            attempt.report(n, 1_000_000)
        return {}

    queue.enqueue("count", {}, by=TESTER)
    runner(queue, handler).run(once=True)
    assert 1 <= len(written) <= 7
    assert written == sorted(written)


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BadInput("No folder.", remedy="Name another one."), "No folder. Name another one."),
        (RuntimeError("the secret word is heliotrope"), "RuntimeError"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_an_error_of_ours_is_told_with_its_remedy_and_of_others_the_type_alone(queue, error, told):
    def handler(payload, attempt):
        raise error

    job = queue.enqueue("count", {"n": 1}, by=TESTER)
    runner(queue, handler).run(once=True)
    failed = queue.get(job.id)
    assert failed.state == "failed"
    assert failed.error.endswith(told)
    assert "heliotrope" not in failed.error


def test_a_job_that_fails_does_not_keep_the_next_from_being_done(queue):
    def handler(payload, attempt):
        return {"inverse": 1 / payload["n"]}

    bad, good = (
        queue.enqueue("count", {"n": 0}, by=TESTER),
        queue.enqueue("count", {"n": 2}, by=TESTER),
    )
    runner(queue, handler).run(once=True)
    assert queue.get(bad.id).error == "ZeroDivisionError"
    assert queue.get(good.id).result == {"inverse": 0.5}


def test_a_runner_in_a_thread_goes_on_when_the_catalog_is_back(queue, monkeypatch):
    claim, out_of_reach = queue.claim, [CatalogUnavailable(), Busy(), CatalogUnavailable()]

    def claim_at_last(*given, **named):
        if out_of_reach:
            raise out_of_reach.pop()
        return claim(*given, **named)

    monkeypatch.setattr(queue, "claim", claim_at_last)
    job = queue.enqueue("count", {"n": 1}, by=TESTER)
    made = runner(queue, echo)
    made.start()
    until(lambda: queue.get(job.id).state == "done")
    made.stop()


def test_a_runner_in_the_foreground_tells_that_the_catalog_is_out_of_reach(queue, monkeypatch):
    def claim(*given, **named):
        raise CatalogUnavailable

    monkeypatch.setattr(queue, "claim", claim)
    with pytest.raises(CatalogUnavailable):
        runner(queue, echo).run(once=True)


# --- leases -------------------------------------------------------------------------------------


def test_a_handler_whose_lease_was_lost_is_told_and_writes_nothing(queue, other):
    begun = Event()
    told: list[Exception] = []
    job = queue.enqueue("count", {}, by=TESTER)
    made = runner(queue, work_until_told(begun, told))
    made.start()
    assert begun.wait(PATIENCE_S)
    taken = take_over(other, job)
    until(lambda: bool(told))
    made.stop()
    assert isinstance(told[0], LeaseLost)
    left = other.get(job.id)
    assert (left.state, left.fence, left.error, left.result) == ("running", taken.fence, None, None)
    other.finish(taken, {"by": "the other"}, by=TESTER)


@pytest.mark.parametrize("ends", ["with a result", "with an error of another kind"])
def test_a_handler_that_does_not_listen_cannot_write_over_the_other_worker(queue, other, ends):
    job = queue.enqueue("count", {}, by=TESTER)

    def handler(payload, attempt):
        other.finish(take_over(other, job), {"by": "the other"}, by=TESTER)
        if ends == "with a result":
            return {"by": "the first"}
        raise RuntimeError

    runner(queue, handler).run(once=True)
    assert (other.get(job.id).state, other.get(job.id).result) == ("done", {"by": "the other"})
    assert other.get(job.id).error is None


def test_an_error_that_hides_the_loss_of_a_lease_is_not_written_as_the_end_of_the_job(queue, other):
    job = queue.enqueue("count", {}, by=TESTER)

    def handler(payload, attempt):
        attempt.report(1, 2)
        take_over(other, job)
        attempt.report(2, 2)
        until(lambda: attempt.lost)
        raise RuntimeError from LeaseLost()

    runner(queue, handler).run(once=True)
    assert (other.get(job.id).state, other.get(job.id).error) == ("running", None)


def test_a_lease_is_kept_for_a_handler_that_reports_nothing(queue, other, monkeypatch):
    monkeypatch.setattr(jobs, "LEASE_S", 2.0)
    claimed = []

    def handler(payload, attempt):
        end = time.monotonic() + 4.0
        while time.monotonic() < end:
            claimed.append(other.claim(["count"], lease_s=60, by=TESTER))
            time.sleep(0.02)
        return {"lost": attempt.lost}

    job = queue.enqueue("count", {}, by=TESTER)
    runner(queue, handler).run(once=True)
    assert set(claimed) == {None}
    assert (queue.get(job.id).state, queue.get(job.id).result) == ("done", {"lost": False})


def test_a_lease_that_cannot_be_renewed_is_tried_again_and_then_counts_as_lost(queue, monkeypatch):
    monkeypatch.setattr(jobs, "LEASE_S", 2.0)
    tried = []
    told: list[Exception] = []

    def progress(*given, **named):
        tried.append(given)
        raise CatalogUnavailable

    monkeypatch.setattr(queue, "progress", progress)
    job = queue.enqueue("count", {}, by=TESTER)
    made = runner(queue, work_until_told(Event(), told))
    worker = Thread(target=made.run, kwargs={"once": True})
    worker.start()
    until(lambda: bool(told))
    monkeypatch.undo()
    made.stop()
    worker.join(PATIENCE_S)
    assert len(tried) > 1
    assert isinstance(told[0], LeaseLost)
    assert queue.get(job.id).state in ("running", "queued")  # queued: begun again, then stopped
    assert queue.get(job.id).error is None


def test_a_catalog_that_is_busy_for_a_moment_does_not_cost_the_lease(queue, monkeypatch):
    progress, busy = queue.progress, [Busy(), Busy(), CatalogUnavailable()]

    def at_last(*given, **named):
        if busy:
            raise busy.pop()
        progress(*given, **named)

    monkeypatch.setattr(queue, "progress", at_last)

    def handler(payload, attempt):
        attempt.report(1, 2)
        until(lambda: queue.get(job.id).done == 1)
        attempt.report(2, 2)
        return {}

    job = queue.enqueue("count", {}, by=TESTER)
    runner(queue, handler).run(once=True)
    assert (busy, queue.get(job.id).state) == ([], "done")


def test_no_job_is_done_by_two_runners(queue, other):
    at_work: set[int] = set()
    done: list[int] = []
    twice: list[int] = []
    lock = Lock()

    def handler(payload, attempt):
        with lock:
            if payload["n"] in at_work or payload["n"] in done:
                twice.append(payload["n"])
            at_work.add(payload["n"])
        time.sleep(0.01)
        with lock:
            at_work.discard(payload["n"])
            done.append(payload["n"])
        return {}

    for n in range(20):
        queue.enqueue("count", {"n": n}, by=TESTER)
    runners = [runner(each, handler) for each in (queue, other, queue, other)]
    for each in runners:
        each.start()
    until(lambda: len(done) >= 20)
    for each in runners:
        each.stop()
    assert twice == []
    assert sorted(done) == list(range(20))


def test_the_queue_is_left_alone_while_it_is_not_the_runners_turn(queue):
    turns, begun = [], []

    @contextmanager
    def turn():
        turns.append("asked")
        if len(turns) == 1:
            raise Busy
        yield
        turns.append("over")

    def handler(payload, attempt):
        begun.append(list(turns))
        return {}

    job = queue.enqueue("count", {}, by=TESTER)
    made = runner(queue, handler, turn=turn)
    made.run(once=True)
    assert queue.get(job.id).state == "queued"
    made.run(once=True)
    assert queue.get(job.id).state == "done"
    assert begun == [["asked", "asked"]]  # the turn was held until the job was done
    assert turns == ["asked", "asked", "over", "asked", "over"]


# --- ends ---------------------------------------------------------------------------------------


def test_a_job_that_ends_each_of_its_workers_is_given_up(queue):
    begun = []

    def handler(payload, attempt):
        begun.append(payload)
        return {}

    deadly = queue.enqueue("count", {"n": "deadly"}, by=TESTER)
    next_one = queue.enqueue("count", {"n": "next"}, by=TESTER)
    for _ in range(jobs.MAX_ATTEMPTS):
        crashed = queue.claim(["count"], lease_s=-1, by=TESTER)
        assert crashed is not None
        assert crashed.id == deadly.id
    runner(queue, handler).run(once=True)
    assert queue.get(deadly.id).state == "failed"
    assert f"Given up: {jobs.MAX_ATTEMPTS} workers" in queue.get(deadly.id).error
    assert queue.get(next_one.id).state == "done"
    assert begun == [{"n": "next"}]


def test_a_job_that_has_one_attempt_left_is_done(queue):
    job = queue.enqueue("count", {"n": 1}, by=TESTER)
    for _ in range(jobs.MAX_ATTEMPTS - 1):
        queue.claim(["count"], lease_s=-1, by=TESTER)
    runner(queue, echo).run(once=True)
    assert queue.get(job.id).state == "done"


def test_a_stopped_runner_leaves_its_job_to_another(queue, other):
    begun = Event()
    told: list[Exception] = []
    job = queue.enqueue("count", {"n": 3}, by=TESTER)
    first = runner(queue, work_until_told(begun, told))
    first.start()
    assert begun.wait(PATIENCE_S)
    first.stop()
    assert isinstance(told[0], ShuttingDown)
    assert (queue.get(job.id).state, queue.get(job.id).error) == ("queued", None)
    runner(other, echo).run(once=True)
    assert queue.get(job.id).result == {"echo": 3}


def test_a_stopped_runner_takes_no_more_jobs(queue):
    made = runner(queue, echo)
    made.stop()
    job = queue.enqueue("count", {"n": 1}, by=TESTER)
    made.run()
    assert queue.get(job.id).state == "queued"


def test_stopping_well_is_no_failed_attempt_however_often(queue):
    job = queue.enqueue("count", {"n": 1}, by=TESTER)
    for _ in range(jobs.MAX_ATTEMPTS + 2):
        begun = Event()
        told: list[Exception] = []
        made = runner(queue, work_until_told(begun, told))
        made.start()
        assert begun.wait(PATIENCE_S)
        made.stop()
    runner(queue, echo).run(once=True)
    assert queue.get(job.id).state == "done"


def test_an_interrupt_gives_the_job_back_and_ends_the_runner(queue):
    def handler(payload, attempt):
        raise KeyboardInterrupt

    job = queue.enqueue("count", {"n": 1}, by=TESTER)
    with pytest.raises(KeyboardInterrupt):
        runner(queue, handler).run()
    assert queue.get(job.id).state == "queued"
    runner(queue, echo).run(once=True)
    assert queue.get(job.id).state == "done"


def test_a_job_that_is_not_given_back_is_taken_up_after_its_lease(queue, other, monkeypatch):
    monkeypatch.setattr(jobs, "LEASE_S", 1.0)

    def give_back(job, *, by):
        raise CatalogUnavailable

    monkeypatch.setattr(queue, "give_back", give_back)
    begun = Event()
    job = queue.enqueue("count", {"n": 1}, by=TESTER)
    first = runner(queue, work_until_told(begun, []))
    first.start()
    assert begun.wait(PATIENCE_S)
    first.stop()
    assert queue.get(job.id).state == "running"
    second = runner(other, echo)
    second.start()
    until(lambda: queue.get(job.id).state == "done")
    second.stop()


def test_a_result_that_is_there_when_the_runner_is_stopped_is_written(queue):
    begun, stopped = Event(), Event()

    def handler(payload, attempt):
        begun.set()
        assert stopped.wait(PATIENCE_S)
        return {"n": 1}

    job = queue.enqueue("count", {}, by=TESTER)
    made = runner(queue, handler)
    made.start()
    assert begun.wait(PATIENCE_S)
    stopping = Thread(target=made.stop)
    stopping.start()
    stopped.set()
    stopping.join(PATIENCE_S)
    assert queue.get(job.id).result == {"n": 1}
