"""Derived files may be damaged in any way and shared by several processes: a start is slower then,
never wrong.
"""

import json
import logging
import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from indexes.derived import checkpoint
from indexes.errors import IndexDamaged
from tests.world import World, as_bytes

FACTS = {"installation": "this"}


@pytest.fixture
def staff(world: World) -> World:
    world.people(ada=["hr"])
    world.put("salaries", ["Salaries rise in May", "by three percent"], "group:hr")
    world.put("menu", "The canteen serves soup on Monday", "public")
    return world


def flip_a_bit(folder: Path) -> None:
    victim = folder / "vectors-vectors.npy"
    content = bytearray(victim.read_bytes())
    content[-7] ^= 1
    victim.write_bytes(content)


def cut_short(folder: Path) -> None:
    victim = folder / "vectors-vectors.npy"
    victim.write_bytes(victim.read_bytes()[:-100])


def loop_of_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def point_out_of_the_folder(folder: Path) -> None:
    outside = folder.parent.parent / "checkpoint-outside"
    shutil.copytree(folder, outside)
    shutil.rmtree(folder)
    folder.symlink_to(outside)


def name_a_file_outside(folder: Path) -> None:
    (folder / "manifest.json").write_text(
        json.dumps(
            {
                **json.loads((folder / "manifest.json").read_text()),
                "sha256": {"../../catalog.sqlite": "0"},
            }
        )
    )


def a_file_in_its_place(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("x")


def current(change: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: change(folder.parent / "CURRENT")


def replaced_by(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a bit flipped": flip_a_bit,
    "a file cut short": cut_short,
    "a file missing": lambda folder: (folder / "vectors-vectors.npy").unlink(),
    "a file that is a pipe": lambda folder: loop_of_a_pipe(folder / "documents-id.npy"),
    "a file that is a folder": lambda folder: replaced_by(Path.mkdir)(folder / "documents-id.npy"),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "half a manifest": lambda folder: (folder / "manifest.json").write_text("{"),
    "a manifest of another kind": lambda folder: (folder / "manifest.json").write_text("[]"),
    "a manifest without end": lambda folder: (folder / "manifest.json").write_text("[" * 100_000),
    "a manifest not in UTF-8": lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe{"),
    "a manifest that is a pipe": lambda folder: loop_of_a_pipe(folder / "manifest.json"),
    "a manifest that names a file outside": name_a_file_outside,
    "a folder that is gone": shutil.rmtree,
    "a folder that is a link": point_out_of_the_folder,
    "a folder that is a file": a_file_in_its_place,
    "CURRENT empty": current(lambda path: path.write_bytes(b"")),
    "CURRENT not in UTF-8": current(lambda path: path.write_bytes(b"\xff\xfe")),
    "CURRENT with a null": current(lambda path: path.write_bytes(b"checkpoint-\0")),
    "CURRENT very long": current(lambda path: path.write_bytes(b"checkpoint-" + b"a" * 100_000)),
    "CURRENT names what is not there": current(lambda path: path.write_text("checkpoint-gone")),
    "CURRENT names a folder outside": current(
        lambda path: path.write_text("../checkpoint-outside")
    ),
    "CURRENT names all of it": current(lambda path: path.write_text(".")),
    "CURRENT a folder": current(replaced_by(Path.mkdir)),
    "CURRENT a pipe": current(loop_of_a_pipe),
    "CURRENT a link": current(replaced_by(lambda path: path.symlink_to("/dev/zero"))),
    "CURRENT a link to itself": current(replaced_by(lambda path: path.symlink_to(path))),
    "a file in place of all": lambda folder: a_file_in_its_place(folder.parent),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_whatever_is_damaged_the_indexes_are_built_anew_with_a_warning(
    staff: World, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    corpus, home = staff.searcher.corpus, staff.home / "derived"
    before = as_bytes(staff.search("ada", "salaries"))
    corpus.maintenance.save()
    DAMAGE[damage](home / (home / "CURRENT").read_text())
    with caplog.at_level(logging.WARNING):
        staff.searcher = staff.new_searcher()
    assert "anew" in caplog.text
    assert as_bytes(staff.search("ada", "salaries")) == before
    if home.is_dir():  # what is damaged does not stand in the way of the next checkpoint
        staff.searcher.corpus.maintenance.save()
        caplog.clear()
        staff.searcher = staff.new_searcher()
        assert caplog.text == ""
        assert as_bytes(staff.search("ada", "salaries")) == before


def test_a_checkpoint_that_fails_while_it_is_loaded_does_not_stop_a_start(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff.searcher.corpus.maintenance.save()

    def fails(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("indexes.derived.persistence._read_indexes", fails)
    staff.searcher = staff.new_searcher()
    assert staff.titles("ada", "salaries")[0] == "salaries"


def test_nobody_else_can_look_into_a_checkpoint(staff: World) -> None:
    home = staff.home / "derived"
    home.mkdir(mode=0o755)
    staff.searcher.corpus.maintenance.save()
    for path in (home, *home.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


# --- several processes --------------------------------------------------------------------------


def write(text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "one").write_text(text)
        (folder / "two").write_text(text)

    return write


def test_services_that_stop_together_keep_a_checkpoint_and_leave_nothing_else(
    tmp_path: Path,
) -> None:
    for _ in range(10):
        # a lock belongs to an open file, so threads are as processes here
        with ThreadPoolExecutor(8) as threads:
            saved = [
                threads.submit(checkpoint.save, tmp_path, FACTS, write(str(n))) for n in range(8)
            ]
            for each in saved:
                each.result()
        with checkpoint.open_checkpoint(tmp_path, FACTS) as folder:
            assert folder is not None
            assert (folder / "one").read_text() == (folder / "two").read_text()
        checkpoint.save(tmp_path, FACTS, write("last"))
        assert len(list(tmp_path.iterdir())) == 2, "CURRENT and what it names"


def test_a_start_reads_one_whole_checkpoint_while_others_are_saved(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, FACTS, write("0"))

    def save(number: int) -> None:
        checkpoint.save(tmp_path, FACTS, write(str(number)))

    def read(_: int) -> None:
        with checkpoint.open_checkpoint(tmp_path, FACTS) as folder:
            assert folder is not None
            one = (folder / "one").read_text()
            assert (folder / "two").read_text() == one

    with ThreadPoolExecutor(6) as threads:
        for each in [threads.submit(read if number % 3 else save, number) for number in range(300)]:
            each.result()


def test_what_another_process_reads_or_writes_is_not_deleted(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, FACTS, write("old"))
    with checkpoint.open_checkpoint(tmp_path, FACTS) as old:
        assert old is not None

        def slowly(folder: Path) -> None:
            write("slow")(folder)
            checkpoint.save(tmp_path, FACTS, write("fast"))

        checkpoint.save(tmp_path, FACTS, slowly)
        checkpoint.discard(tmp_path)
        assert (old / "two").read_text() == "old"
    checkpoint.discard(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_was_never_finished_is_cleared_away(tmp_path: Path) -> None:
    left_over = tmp_path / "checkpoint-killed"
    left_over.mkdir()
    (left_over / "one").write_text("half")
    checkpoint.save(tmp_path, FACTS, write("whole"))
    assert not left_over.exists()


def test_there_may_be_none(tmp_path: Path) -> None:
    for home in (tmp_path, tmp_path / "never"):
        with checkpoint.open_checkpoint(home, FACTS) as folder:
            assert folder is None
        checkpoint.discard(home)


def test_a_checkpoint_that_is_always_replaced_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(f"checkpoint-{n}" for n in range(10_000))
    monkeypatch.setattr(checkpoint, "_current_name", lambda home: next(names))
    with (
        pytest.raises(IndexDamaged, match="again and again"),
        checkpoint.open_checkpoint(tmp_path, FACTS),
    ):
        pass
