"""Locks between processes, on files and folders."""

import errno
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from indexes.file_locks import lock_file, lock_folder

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys
from pathlib import Path
from indexes.file_locks import lock_file, lock_folder
path = Path(sys.argv[1])
with lock_folder(path, shared=sys.argv[2] == "shared") if path.is_dir() else lock_file(path):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(path: Path, how: str = "alone") -> Iterator["subprocess.Popen[str]"]:
    command, pipe = [sys.executable, "-c", HOLDER, str(path), how], subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_a_file_is_held_by_one_process_and_free_when_that_is_killed(tmp_path):
    with held_by_another(tmp_path / "lock") as holder:
        with pytest.raises(BlockingIOError), lock_file(tmp_path / "lock"):
            pass
        told = []

        def waiting() -> None:
            told.append("waits")
            holder.kill()

        with lock_file(tmp_path / "lock", waiting=waiting) as file:
            file.write("mine")
    assert told == ["waits"]
    assert (tmp_path / "lock").read_text() == "mine"


def test_a_folder_is_shared_or_held_alone(tmp_path):
    with held_by_another(tmp_path, "shared"):
        with lock_folder(tmp_path, shared=True, wait=False):
            pass
        with pytest.raises(BlockingIOError), lock_folder(tmp_path, wait=False):
            pass
    with lock_folder(tmp_path, wait=False):
        pass


def test_what_is_no_folder_is_not_locked_as_one(tmp_path):
    (tmp_path / "file").touch()
    for name in ("file", "nothing"):
        with pytest.raises(OSError, match=name), lock_folder(tmp_path / name):
            pass


def test_a_file_system_without_locks_is_put_up_with_only_if_asked(tmp_path, monkeypatch):
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with lock_folder(tmp_path, required=False):
        pass
    with pytest.raises(OSError, match="No locks"), lock_folder(tmp_path):
        pass
