"""Folders made once: nothing half-made counts, nothing damaged is used, and nobody else's folder is
touched.
"""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from indexes.artifacts import ORIGIN, make_once
from indexes.errors import BadConfiguration

FROM = {"model": "small"}


class Maker:
    """Counts how often it was asked to work."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "inner").mkdir()
        (folder / "inner" / "weights").write_text(f"made {self.calls}", encoding="utf-8")


def test_the_second_call_finds_what_the_first_one_made(tmp_path: Path) -> None:
    make = Maker()
    folders = [make_once(tmp_path / "deep" / "model", FROM, make) for _ in range(2)]
    assert make.calls == 1
    assert (folders[1] / "inner" / "weights").read_text(encoding="utf-8") == "made 1"


def test_another_origin_replaces_the_folder(tmp_path: Path) -> None:
    make = Maker()
    make_once(tmp_path / "model", FROM, make)
    make_once(tmp_path / "model", {"model": "small", "recipe": "2"}, make)
    assert (tmp_path / "model" / "inner" / "weights").read_text(encoding="utf-8") == "made 2"
    assert not [
        path for path in tmp_path.iterdir() if path.name.endswith((".partial", ".replaced"))
    ]


@pytest.mark.parametrize("damage", ["made 7", ""])
def test_a_damaged_folder_is_made_again_with_a_word_about_it(tmp_path: Path, damage: str) -> None:
    make = Maker()
    said: list[str] = []
    make_once(tmp_path / "model", FROM, make)
    (tmp_path / "model" / "inner" / "weights").write_text(damage, encoding="utf-8")
    make_once(tmp_path / "model", FROM, make, said.append)
    assert make.calls == 2
    assert any("damaged" in line and "inner/weights" in line for line in said)


@pytest.mark.parametrize("origin", [None, "not json", "[]", "{}"])
def test_a_folder_that_somebody_else_filled_is_refused_and_left_alone(
    tmp_path: Path, origin: str | None
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("mine", encoding="utf-8")
    if origin is not None:
        (tmp_path / "model" / ORIGIN).write_text(origin, encoding="utf-8")
    with pytest.raises(BadConfiguration) as raised:
        make_once(tmp_path / "model", FROM, Maker())
    assert raised.value.remedy
    assert (tmp_path / "model" / "thesis.txt").read_text(encoding="utf-8") == "mine"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert (make_once(tmp_path / "model", FROM, Maker()) / ORIGIN).is_file()


def test_a_failure_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("x", encoding="utf-8")
        raise ValueError("the source is broken")

    make_once(tmp_path / "model", FROM, Maker())
    with pytest.raises(ValueError, match="broken"):
        make_once(tmp_path / "model", {"model": "other"}, fail)
    assert json.loads((tmp_path / "model" / ORIGIN).read_text(encoding="utf-8"))["model"] == "small"
    assert not (tmp_path / "model" / "half").exists()


def test_a_place_that_cannot_be_written_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BadConfiguration, match="file") as raised:
        make_once(tmp_path / "file" / "model", FROM, Maker())
    assert raised.value.remedy


SLOW_MAKER = """
    import sys, time
    from pathlib import Path
    from indexes.artifacts import make_once

    def make(folder):
        print("working", flush=True)
        (folder / "half").write_text("half")
        time.sleep(float(sys.argv[2]))
        (folder / "weights").write_text("all of it")

    make_once(Path(sys.argv[1]), {"model": "small"}, make, lambda line: print(line, flush=True))
"""


def _start(folder: Path, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(SLOW_MAKER), str(folder), str(seconds)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )


def test_of_several_processes_one_works_and_the_others_wait_for_it(tmp_path: Path) -> None:
    processes = [_start(tmp_path / "model", 0.5) for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum(output.count("working") for output in outputs) == 1
    assert (tmp_path / "model" / "weights").read_text(encoding="utf-8") == "all of it"


def test_after_a_kill_half_way_the_next_process_starts_afresh(tmp_path: Path) -> None:
    process = _start(tmp_path / "model", 60)
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    deadline = time.monotonic() + 10
    while not list(tmp_path.rglob("half")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert not (tmp_path / "model").exists()
    make_once(tmp_path / "model", FROM, Maker())
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        ".model.lock",
        ORIGIN,
        "weights",
    ]
