"""Builds of the vectors: who builds them, what becomes of those left behind, and whether they find
what the former ones found.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from indexes.catalog.generations import GenerationFacts
from indexes.cli.administration import app
from indexes.derived.rebuild import Switching, find_rollback, rebuild
from indexes.embedder import load_in_use
from indexes.errors import BadInput, Busy, Conflict, ModelMismatch, NotFound, VectorsDiffer
from indexes.job_kinds import REBUILD
from indexes.jobs import JobRunner, do_here
from indexes.model import Principal
from indexes.search.searcher import Searcher
from indexes.testing import HashingEmbedder
from service.operating.rebuild_jobs import RebuildJobs
from tests.world import TESTER, World, building_job, document

OTHER = HashingEmbedder(96, name="other")
TOPICS = ("canteen", "salary", "pump", "travel", "garden", "printer", "contract", "holiday")


class Broken(HashingEmbedder):
    """Its vectors of passages are of the right shape and length, and say nothing."""

    def __init__(self, how: str) -> None:
        super().__init__(96, name=how)

    def passages(self, texts: Any) -> Any:
        made = super().passages(texts)
        if self.name == "equal":
            return np.repeat(made[:1] * 0 + 1 / np.sqrt(96), len(made), axis=0).astype(np.float32)
        if self.name == "zeros":
            return made * 0
        return np.roll(made, 1, axis=0)  # shuffled


BY_NAME = {each.name: each for each in (HashingEmbedder(), OTHER)} | {
    how: Broken(how) for how in ("equal", "zeros", "shuffled")
}


def load(name: str, fingerprint: str | None = None) -> HashingEmbedder:
    return BY_NAME[name]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "home")
    made.people(ada=["hr"], bob=[])
    for number in range(12):
        texts = [f"The {topic} of house {number} opens at {number}." for topic in TOPICS]
        made.put(f"d{number}", texts, "group:hr" if number % 2 else "public")
    yield made
    made.close()


def move(world: World, model: str, **how: Any) -> None:
    rebuild(world.catalog, model, load, by=TESTER, switching=Switching(grace_s=0, **how))


def begin(world: World, job: str | None) -> Any:
    return world.catalog.generations.begin(
        OTHER.name, OTHER.fingerprint, OTHER.dimension, by=TESTER, job=job
    )


def facts(world: World) -> list[GenerationFacts]:
    return world.catalog.generations.facts()


def let_lease_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(UTC) + timedelta(hours=2)

    monkeypatch.setattr("indexes.catalog.jobs.datetime", Later)


# --- left behind ----------------------------------------------------------------------------------


def test_a_generation_is_written_to_as_long_as_somebody_builds_it(world, monkeypatch):
    generation = begin(world, building_job(world.catalog))
    assert generation in world.catalog.generations.writable()
    assert facts(world)[1].standing == "building"
    let_lease_run_out(monkeypatch)
    assert generation not in world.catalog.generations.writable()
    assert world.catalog.generations.abandoned() == (generation,)
    assert facts(world)[1].standing == "waiting"
    world.put("late", "Stored once only.", "public")


def test_nobody_knows_who_builds_a_generation_of_an_earlier_version_so_it_is_abandoned(world):
    generation = begin(world, None)
    assert facts(world)[1].standing == "abandoned"
    assert world.catalog.generations.abandoned() == (generation,)


def test_a_rebuild_left_behind_is_taken_up_by_the_next_worker_and_completed(world, monkeypatch):
    monkeypatch.setattr("indexes.derived.rebuild.GRACE_S", 0.0)
    job = world.catalog.jobs.begin(REBUILD, {"model": "other"}, -1.0, by=TESTER)  # it died
    begin(world, job.id)
    world.put("late", "Written while nobody built it.", "public")
    RebuildJobs(world.catalog, load).run(once=True)
    assert world.catalog.jobs.get(job.id).state == "done"
    assert [each.standing for each in facts(world)] == ["retired", "active"]
    assert all(each.complete for each in facts(world)[1:])


def test_the_same_command_takes_up_the_job_that_was_left_and_refuses_beside_a_live_one(world):
    dead = world.catalog.jobs.begin(REBUILD, {"model": "other"}, -1.0, by=TESTER)
    again = world.catalog.jobs.begin(REBUILD, {"model": "other"}, 60.0, by=TESTER)
    assert again.id == dead.id
    assert again.fence == dead.fence + 1
    with pytest.raises(Busy, match=again.id):
        world.catalog.jobs.begin(REBUILD, {"model": "other"}, 60.0, by=TESTER)
    begin(world, again.id)
    with pytest.raises(Busy, match=again.id):
        begin(world, None)


def test_a_cancelled_generation_is_built_by_nobody_and_can_be_dropped(world):
    job = world.catalog.jobs.begin(REBUILD, {"model": "other"}, -1.0, by=TESTER)
    generation = begin(world, job.id)
    assert world.catalog.generations.cancel(generation, by=TESTER) == job.id
    assert world.catalog.jobs.get(job.id).state == "cancelled"
    assert facts(world)[1].standing == "abandoned"
    with pytest.raises(Conflict):
        world.catalog.generations.cancel(generation, by=TESTER)
    world.catalog.generations.drop(generation, by=TESTER)
    assert len(facts(world)) == 1


# --- back, and away -------------------------------------------------------------------------------


def test_rollback_goes_to_the_one_retired_last_and_names_what_it_lacks(world):
    with pytest.raises(NotFound):
        find_rollback(world.catalog, load)
    move(world, "other")
    former = find_rollback(world.catalog, load)
    assert former.model == "hashing"
    put_late(world)
    with pytest.raises(Conflict, match="1 documents") as caught:
        find_rollback(world.catalog, load)
    assert caught.value.remedy is not None
    assert "rebuild --model hashing" in caught.value.remedy


def put_late(world: World) -> None:
    made = OTHER.passages(["Late."])
    active = world.catalog.generations.active()
    assert active is not None
    world.catalog.documents.put(document("late", "Late.", ["public"]), {active.id: made}, by=TESTER)


def test_a_model_that_cannot_be_had_any_more_is_not_gone_back_to(world):
    move(world, "other")
    with pytest.raises(ModelMismatch):
        find_rollback(world.catalog, lambda *given: HashingEmbedder(8, name="hashing"))


def test_dropping_frees_the_vectors_and_never_those_that_are_searched(world):
    move(world, "other")
    old, new = (world.catalog.generations.find(each.id) for each in facts(world))
    with pytest.raises(Conflict, match="Searches use"):
        world.catalog.generations.drop(new, by=TESTER)
    world.catalog.generations.drop(old, by=TESTER)
    (left,) = facts(world)
    assert (left.id, left.documents, left.bytes) == (new.id, 12, 12 * 8 * 96 * 4)
    with pytest.raises(NotFound):
        world.catalog.generations.drop(old, by=TESTER)


def test_one_that_is_being_built_is_not_dropped(world):
    generation = begin(world, building_job(world.catalog))
    with pytest.raises(Conflict, match="being built"):
        world.catalog.generations.drop(generation, by=TESTER)


# --- the comparison -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["equal", "shuffled"])
def test_vectors_that_find_nothing_of_what_was_found_are_refused_and_the_former_go_on(world, how):
    with pytest.raises(VectorsDiffer):
        move(world, how)
    active = world.catalog.generations.active()
    assert active is not None
    assert active.model == "hashing"
    assert facts(world)[1].standing == "abandoned"
    assert facts(world)[1].complete


def test_vectors_of_no_length_are_never_stored(world):
    with pytest.raises(BadInput, match="unit length"):
        move(world, "zeros")


def test_another_model_passes_and_the_same_vectors_are_found_to_be_the_same(world):
    told: list[Any] = []
    move(world, "other", told=told.append)
    same = HashingEmbedder(96, name="other")
    same.fingerprint = "another backend"
    how = Switching(grace_s=0, told=told.append)
    rebuild(
        world.catalog,
        "other",
        lambda name, wanted=None: OTHER if wanted == OTHER.fingerprint else same,
        by=TESTER,
        switching=how,
    )
    changed, unchanged = told
    assert 0.15 < changed.overlap < 1
    assert unchanged.overlap == pytest.approx(1, abs=0.02)
    assert unchanged.questions == 60
    assert unchanged.views == 2


def test_the_operator_may_switch_in_spite_of_it(world):
    move(world, "shuffled", least_overlap=None)
    active = world.catalog.generations.active()
    assert active is not None
    assert active.model == "shuffled"


def test_the_reason_of_a_refusal_stands_in_the_job_without_a_word_of_a_document(world):
    job = world.catalog.jobs.enqueue(REBUILD, {"model": "equal"}, by=TESTER)
    RebuildJobs(world.catalog, load).run(once=True)
    ended = world.catalog.jobs.get(job.id)
    assert ended.state == "failed"
    assert ended.error is not None
    assert "best hits" in ended.error
    assert not any(topic in ended.error for topic in (*TOPICS, "ada", "d1"))


# --- the switch -----------------------------------------------------------------------------------


def test_a_process_has_the_model_before_it_searches_with_it_and_others_do_not_wait_for_it(world):
    loaded: list[str] = []

    def loading(name: str, fingerprint: str | None = None) -> HashingEmbedder:
        loaded.append(name)
        ada = Principal(name="user:ada")
        assert searcher.search("canteen", ada, 3).hits  # with the former, while this one is loaded
        return load(name)

    searcher = Searcher(world.catalog, world.embedder, world.settings, load_embedder=loading)
    generation = begin(world, building_job(world.catalog))
    with world.catalog.reading() as state:
        waiting = state.documents_without_vectors(generation, 100)
        texts = state.embedded_texts([each for each, _ in waiting])
    made = {each: (token, OTHER.passages(texts[each])) for each, token in waiting}
    world.catalog.generations.announce(generation, by=TESTER)
    searcher.corpus.maintenance.run()  # it has no vectors yet: nothing fails
    world.catalog.documents.add_vectors(generation, made, by=TESTER)
    searcher.corpus.maintenance.run()
    assert loaded == ["other"]
    world.catalog.generations.activate(generation, by=TESTER)
    assert searcher.search("canteen", Principal(name="user:ada"), 3).hits
    assert loaded == ["other"]
    assert searcher.corpus.generation() == world.catalog.generations.active()


# --- stopped --------------------------------------------------------------------------------------


def test_a_job_whose_handler_does_not_end_in_time_is_given_back_all_the_same(world, monkeypatch):
    monkeypatch.setattr("indexes.jobs.STOP_WAIT_S", 0.05)
    begun, go_on = Event(), Event()

    def hang(payload: Any, attempt: Any) -> Any:
        begun.set()
        go_on.wait(20)
        return {}

    jobs = world.catalog.jobs
    job = jobs.enqueue(REBUILD, {"model": "other"}, by=TESTER)
    runner = JobRunner(jobs, {REBUILD: hang}, by=TESTER, poll_s=0.05)
    runner.start()
    assert begun.wait(10)
    runner.stop()
    assert jobs.get(job.id).state == "queued"
    taken = jobs.claim([REBUILD], 60.0, by=TESTER)
    assert taken is not None
    go_on.set()
    runner._thread.join(10)
    assert jobs.get(job.id).state == "running"  # what the first one wrote at its end was refused


def test_an_interrupted_command_gives_its_job_back(world):
    def interrupted(attempt: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do_here(world.catalog.jobs, REBUILD, {"model": "other"}, interrupted, by=TESTER)
    (job,) = world.catalog.jobs.latest(5)
    assert (job.state, job.fence) == ("queued", 0)


def test_a_command_that_is_cancelled_ends_and_says_why(world, monkeypatch):
    def cancelled(attempt: Any) -> Any:
        world.catalog.jobs.cancel(attempt.job_id, by=TESTER)
        attempt._look_for_end()
        attempt.check()
        return {}

    from indexes.errors import Cancelled

    with pytest.raises(Cancelled):
        do_here(world.catalog.jobs, REBUILD, {"model": "other"}, cancelled, by=TESTER)
    assert world.catalog.jobs.latest(1)[0].state == "cancelled"


# --- a restart ------------------------------------------------------------------------------------


def test_a_restart_with_the_old_model_explains_itself_and_follows_the_catalog_if_told_to(world):
    move(world, "other")
    active = world.catalog.generations.active()
    old = world.settings.model_copy(update={"embedding_model": "hashing"})
    with pytest.raises(ModelMismatch) as caught:
        world.new_searcher()
    assert caught.value.remedy is not None
    for said in ("CLEARANCE_EMBEDDING_MODEL=other", "CLEARANCE_EMBEDDING_FOLLOWS=catalog"):
        assert said in caught.value.remedy
    assert load_in_use(load, old, active).name == "hashing"
    follows = old.model_copy(update={"embedding_follows": "catalog"})
    assert load_in_use(load, follows, active).name == "other"


# --- commands -------------------------------------------------------------------------------------


def test_the_commands_tell_models_states_and_sizes_and_refuse_in_plain_words(world, monkeypatch):
    monkeypatch.setenv("CLEARANCE_HOME", str(world.home))
    if world.settings.database_url:
        monkeypatch.setenv("CLEARANCE_DATABASE_URL", world.settings.database_url)
    monkeypatch.setattr("indexes.embedder.embedder_loader", lambda settings: load)
    monkeypatch.setattr("indexes.derived.rebuild.GRACE_S", 0.0)

    def run(*given: str) -> Any:
        return CliRunner().invoke(app, list(given))

    built = run("rebuild", "--model", "other")
    assert built.exit_code == 0, built.output
    assert re.search(r"\d+% of the best hits stay", built.output)
    told = json.loads(run("generations", "list", "--json").output)
    assert [(each["model"], each["standing"]) for each in told] == [
        ("hashing", "retired"),
        ("other", "active"),
    ]
    assert told[1]["complete"]
    assert told[1]["vectors"] == 96
    assert not any(topic in run("generations", "list").output for topic in TOPICS)
    refused = run("generations", "drop", str(told[1]["id"]))
    assert isinstance(refused.exception, Conflict)
    assert run("generations", "rollback").exit_code == 0
    standings = [each.standing for each in facts(world)]
    assert standings == ["active", "retired"]
    assert run("generations", "drop", str(told[1]["id"])).exit_code == 0
    assert len(facts(world)) == 1
