"""Overlapping stages: bounded, in order, and never left behind."""

import threading
import time
import weakref

import pytest

from ingest.stages import Load, Stages


def test_items_come_out_in_order_and_none_is_lost():
    with Stages() as stages:
        doubled = stages.run_ahead((2 * n for n in stages.run_ahead(iter(range(1_000)), 3)), 5)
        assert list(doubled) == [2 * n for n in range(1_000)]


def test_a_stage_runs_ahead_only_as_far_as_its_limit():
    made = []

    def numbers():
        for n in range(100):
            made.append(n)
            yield n

    with Stages() as stages:
        ahead = stages.run_ahead(numbers(), 4)
        time.sleep(0.2)
        assert len(made) == 5  # four wait, the fifth is in the hand of the stage
        assert len(list(ahead)) == 100


def test_the_limit_counts_weight_and_one_heavy_item_still_passes():
    with Stages() as stages:
        ahead = stages.run_ahead(iter([50, 1, 50]), 10, weigh=lambda n: n)
        assert list(ahead) == [50, 1, 50]


def test_a_window_takes_what_is_ready_and_waits_only_for_the_first_item():
    gate = threading.Event()

    def items():
        yield from "abc"
        gate.wait()
        yield "d"

    with Stages() as stages:
        ahead = stages.run_ahead(items(), 10)
        time.sleep(0.1)
        assert ahead.take_window(2) == ["a", "b"]
        assert ahead.take_window(2) == ["c"]
        gate.set()
        assert ahead.take_window(2) == ["d"]
        assert ahead.take_window(2) == []


def test_an_error_of_a_stage_arrives_after_what_it_had_made():
    def items():
        yield 1
        raise ValueError("broken")

    with Stages() as stages:
        ahead = stages.run_ahead(iter(stages.run_ahead(items(), 5)), 5)
        assert ahead.take_window(5) == [1]
        with pytest.raises(ValueError, match="broken"):
            ahead.take_window(5)


def test_leaving_early_ends_every_thread_and_closes_every_generator():
    closed = []

    def endless():
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    before = set(threading.enumerate())
    with Stages() as stages:
        last = stages.run_ahead(iter(stages.run_ahead(endless(), 2)), 2)
        next(iter(last))
    assert set(threading.enumerate()) <= before
    assert closed == [True]


class Large:
    pass


def test_nothing_of_an_item_is_kept_when_it_has_gone_on():
    gate, made = threading.Event(), []

    def items():
        made.append(weakref.ref(item := Large()))
        yield item
        del item
        gate.wait()

    with Stages() as stages:
        ahead = stages.run_ahead(iter(stages.run_ahead(items(), 8)), 8)
        taken = ahead.take_window(8)
        time.sleep(0.1)  # the stages wait for the next one
        assert made[0]() is taken.pop()
        assert made[0]() is None
        gate.set()


def test_a_load_takes_what_fits_and_anything_alone():
    load = Load(10)
    assert load.try_add("large", 50)
    assert not load.try_add("a", 1)
    load.weigh_again("large", 9)
    assert load.try_add("a", 1)
    assert not load.try_add("b", 1)
    load.remove("large")
    assert load.try_add("b", 9)
