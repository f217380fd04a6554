"""What a bad document can do to the rest: nothing."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from indexes.errors import (
    SourceBroken,
    SourceEmpty,
    SourceRefused,
    SourceTooCostly,
    SourceUnavailable,
)
from indexes.model import Loss
from indexes.settings import Settings
from indexes.testing import HashingEmbedder
from ingest.chunking import chunk, cut
from ingest.elements import CutOptions, Element, Parsed, Table
from ingest.isolation import protocol, sandbox
from ingest.isolation.sandbox import Cutting, Parsers
from ingest.partition.tables import make_table
from ingest.testing import private_copy_of

OBEY = "ingest.testing:obey"
CUT_OPTIONS = CutOptions(chunk_tokens=64, title=None, fallback_title="a")


@pytest.fixture(scope="module")
def parsers() -> Iterator[Parsers]:
    settings = Settings(parse_workers=1, parse_timeout_s=1.5, parse_memory_mb=512)
    with Parsers(settings, parser=OBEY, wall_factor=1) as pool:
        yield pool


@pytest.fixture
def ask(parsers, tmp_path):
    def ask(deed: str) -> Future[Parsed]:
        path = tmp_path / f"{time.monotonic_ns()}.txt"
        path.write_text(deed, encoding="utf-8")
        future: Future[Parsed] = parsers.submit(private_copy_of(path))
        return future

    return ask


def said(future: Future[Parsed]) -> str:
    return future.result(timeout=30).elements[0].text


SECONDS = count(3_600_000 + os.getpid())
"""How long a process of these tests sleeps: its argument tells it from all others."""


def sleeping(seconds: int) -> bool:
    """Whether there is a process `sleep SECONDS`; one that nobody has waited for yet has ended."""
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (place / "cmdline").read_bytes() == b"sleep\0%d\0" % seconds:
                return (place / "stat").read_text().split(") ")[1][0] not in "ZX"
    return False


def within_a_moment(fact: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.02)
    return fact()


def test_a_document_comes_back_as_it_was_parsed(ask):
    assert said(ask("say 你好 \U0001f600")) == "你好 \U0001f600"


def test_no_process_meets_two_documents(ask):
    assert len({said(ask("pid")) for _ in range(3)}) == 3


def test_what_the_parser_refuses_arrives_with_its_remedy(ask):
    with pytest.raises(SourceRefused, match="too odd") as caught:
        said(ask("refuse too odd"))
    assert caught.value.remedy == "Ask nicely."


def test_a_hang_ends_at_the_time_limit_and_the_next_document_goes_on(ask):
    stuck, after = ask("hang"), ask("say next")
    started = time.monotonic()
    with pytest.raises(SourceTooCostly, match=r"1\.5 seconds"):
        said(stuck)
    assert time.monotonic() - started < 8
    assert said(after) == "next"


def test_what_a_hanging_parser_has_started_is_killed_with_it(ask):
    seconds = next(SECONDS)
    stuck = ask(f"hang-with-child {seconds}")
    assert within_a_moment(lambda: sleeping(seconds))
    with pytest.raises(SourceTooCostly):
        said(stuck)
    assert within_a_moment(lambda: not sleeping(seconds))


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("crash", "SIGSEGV"),
        ("vanish", "killed"),
        ("spin", "seconds|processor time"),
        ("fill-disk", "file larger"),
    ],
)
def test_a_parser_that_breaks_down_is_one_failed_document(ask, deed, told):
    with pytest.raises((SourceTooCostly, SourceUnavailable), match=told):
        said(ask(deed))
    assert said(ask("say still here")) == "still here"


def test_memory_is_limited(ask):
    with pytest.raises(SourceTooCostly):
        said(ask("grow"))
    assert said(ask("say still here")) == "still here"


def test_a_scan_gets_more_time_for_every_page_that_was_read(ask):
    assert said(ask("slow-pages 5")) == "read"  # 2 seconds, over the limit of 1.5


def test_a_parser_sees_nothing_of_the_service_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CLEARANCE_LLM_API_KEY", "very secret")
    path = tmp_path / "a.txt"
    path.write_text("environment", encoding="utf-8")
    with Parsers(Settings(parse_workers=1), parser=OBEY) as pool:
        names = said(pool.submit(private_copy_of(path))).splitlines()
    assert not [name for name in names if name.startswith("CLEARANCE")]
    assert "DO_NOT_TRACK" in names


def test_several_workers_do_not_wait_for_each_other(tmp_path):
    slow, quick = tmp_path / "slow.txt", tmp_path / "quick.txt"
    slow.write_text("hang", encoding="utf-8")
    quick.write_text("say quick", encoding="utf-8")
    with Parsers(Settings(parse_workers=2, parse_timeout_s=6.0), parser=OBEY) as pool:
        stuck = pool.submit(private_copy_of(slow))
        assert said(pool.submit(private_copy_of(quick))) == "quick"
        assert not stuck.done()


def test_closing_kills_what_runs_and_cancels_what_waits(tmp_path):
    seconds, path = next(SECONDS), tmp_path / "a.txt"
    path.write_text(f"hang-with-child {seconds}", encoding="utf-8")
    pool = Parsers(Settings(parse_workers=1, parse_timeout_s=60.0), parser=OBEY)
    running, waiting = pool.submit(private_copy_of(path)), pool.submit(private_copy_of(path))
    assert within_a_moment(lambda: sleeping(seconds), 60)
    started = time.monotonic()
    pool.close()
    assert time.monotonic() - started < 10
    assert isinstance(running.exception(timeout=5), SourceUnavailable)
    assert waiting.cancelled()
    assert within_a_moment(lambda: not sleeping(seconds))
    assert isinstance(pool.submit(private_copy_of(path)).exception(timeout=5), SourceUnavailable)


def test_a_parser_that_cannot_start_is_a_failed_document_with_its_reason(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("say hello", encoding="utf-8")
    with Parsers(Settings(parse_workers=1), parser="ingest.no_such_module:parse") as pool:
        error = pool.submit(private_copy_of(path)).exception(timeout=60)
    assert isinstance(error, SourceUnavailable)
    assert "no_such_module" in str(error)


def test_a_large_document_travels_whole_and_the_next_sees_nothing_of_it(parsers, tmp_path):
    (tmp_path / "a.txt").write_text("say " + "x" * 9_000_000, encoding="utf-8")
    assert len(said(parsers.submit(private_copy_of(tmp_path / "a.txt")))) == 9_000_000
    (tmp_path / "b.txt").write_text("files", encoding="utf-8")
    assert said(parsers.submit(private_copy_of(tmp_path / "b.txt"))) == "document.txt"


def test_a_message_from_a_parser_is_data_and_checked():
    parsed = Parsed(
        title="T",
        elements=(
            Element(
                kind="table",
                text="a | b",
                page=2,
                page_name="S",
                table=Table(
                    rows=(("a", "b"), ("c", "")),
                    header_rows=1,
                    spans=((0, 0, 1, 2),),
                    caption="C",
                    notes=("in millions",),
                    box=(0.0, 1.0, 2.5, 3.0),
                ),
            ),
        ),
        media_type="text/csv",
        language="en",
        page_kind="sheet",
        metadata={"author": "Ada", "n": 1},
        warnings=("w",),
        losses=(Loss(kind="hidden", count=3, unit="words", detail="in the sheet S"),),
    )
    (packed,) = json.loads(json.dumps(list(protocol.pack(parsed))))
    assert arrived([packed]) == parsed
    packed["parsed"]["elements"][0]["kind"] = "surprise"
    with pytest.raises(SourceBroken, match="no document"):
        arrived([packed])


def arrived(frames: list[dict[str, Any]]) -> Parsed:
    """What the parent makes of these frames."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(target=send_all, args=(theirs, frames))
        sender.start()
        try:
            return protocol.receive_parsed(protocol.receive(ours), ours, time.monotonic() + 20)
        finally:
            ours.close()
            sender.join()


def send_all(connection: socket.socket, frames: list[dict[str, Any]]) -> None:
    with contextlib.suppress(protocol.ConnectionClosed):
        for frame in frames:
            protocol.send(connection, frame)


def cut_document() -> Parsed:
    """Several chunks, with pages, headings, and a table that goes on."""
    rows = [("Name", "Days"), *((f"Person {n}", str(n)) for n in range(40))]
    elements = (
        Element(kind="heading", text="Leave", level=1, page=1),
        Element(kind="text", text="Everybody has some.", page=1),
        Element(kind="heading", text="Table", level=2, page=2),
        make_table(rows, page=2, caption="Days of leave"),
    )
    parsed = Parsed(
        title="T", elements=elements, media_type="text/plain", language=None, page_kind="page"
    )
    return cut(parsed, CUT_OPTIONS, HashingEmbedder())


def test_a_document_that_was_cut_arrives_in_frames_as_it_was_sent(monkeypatch):
    monkeypatch.setattr(protocol, "BATCH_CHARS", 300)
    parsed = cut_document()
    frames = list(protocol.pack(parsed))
    assert len(frames) > 3
    assert parsed.cut
    assert [chunk for chunk in parsed.cut.chunks if chunk.header and chunk.tables and chunk.pages]
    assert arrived(frames) == parsed


@pytest.mark.parametrize("places", [(-1, 5), (5, 5), (9, 4), (0, 10**9), (3, 6)], ids=str)
def test_a_chunk_that_is_no_stretch_of_the_text_behind_the_one_before_it_is_refused(places):
    first, *more = protocol.pack(cut_document())
    more[0]["chunks"][1][:2] = places
    with pytest.raises(SourceBroken, match="no document"):
        arrived([first, *more])


def test_chunks_that_are_too_many_for_one_document_are_refused_before_they_are_read(monkeypatch):
    frames = list(protocol.pack(cut_document()))
    monkeypatch.setattr(protocol, "MAX_FRAME", len(json.dumps(frames[0])) + 100)
    with pytest.raises(SourceTooCostly, match="more text"):
        arrived(frames)


def test_a_document_is_cut_where_it_is_parsed_with_the_counter_of_the_embedder(parsers, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("say " + "The canteen opens at noon. " * 90, encoding="utf-8")
    for limit in (500, 30):
        embedder = HashingEmbedder(max_tokens=limit)
        cutting = Cutting(embedder.counter_recipe(), CUT_OPTIONS)
        parsed = parsers.submit(private_copy_of(path), cutting).result(timeout=30)
        text, chunks = chunk(said_document(path), "a", embedder, CUT_OPTIONS.chunk_tokens)
        assert parsed.elements == ()
        assert parsed.cut
        assert (parsed.cut.title, parsed.cut.text, parsed.cut.chunks) == ("a", text, chunks)


def said_document(path) -> Parsed:
    element = Element(kind="text", text=path.read_text(encoding="utf-8").removeprefix("say "))
    return Parsed(
        title=None, elements=(element,), media_type="text/plain", language=None, page_kind=None
    )


def test_a_text_that_is_nothing_but_space_is_refused_where_it_is_cut(parsers, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("say   ", encoding="utf-8")
    cutting = Cutting(HashingEmbedder().counter_recipe(), CUT_OPTIONS)
    assert isinstance(
        parsers.submit(private_copy_of(path), cutting).exception(timeout=30), SourceEmpty
    )


def test_time_in_which_a_document_waits_for_the_machine_does_not_count(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("wait 0.9", encoding="utf-8")
    settings = Settings(parse_workers=1, parse_timeout_s=0.3)
    with Parsers(settings, parser=OBEY) as pool:
        assert said(pool.submit(private_copy_of(path))) == "0.9"


def test_a_killed_service_leaves_no_process_and_no_folder_behind(tmp_path):
    seconds, path, script = next(SECONDS), tmp_path / "a.txt", tmp_path / "service.py"
    path.write_text(f"hang-with-child {seconds}", encoding="utf-8")
    script.write_text(
        "import sys, time; from pathlib import Path; from indexes.settings import Settings\n"
        "from ingest.isolation.sandbox import Parsers; from ingest.testing import private_copy_of\n"
        "pool = Parsers(Settings(parse_workers=1), parser='ingest.testing:obey')\n"
        "pool.submit(private_copy_of(Path(sys.argv[1])))\n"
        "time.sleep(60)\n",
        encoding="utf-8",
    )
    here = Path(sandbox.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(here), "TMPDIR": str(tmp_path / "scratch")}
    (tmp_path / "scratch").mkdir()
    service = subprocess.Popen(
        [sys.executable, str(script), str(path)], env=environment, cwd=tmp_path
    )
    assert within_a_moment(lambda: sleeping(seconds), 60)
    service.kill()
    service.wait()
    assert within_a_moment(lambda: not sleeping(seconds))
    assert within_a_moment(lambda: not list((tmp_path / "scratch").iterdir()))
