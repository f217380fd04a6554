"""Files that are whole or not there, whatever ends their writing."""

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from indexes import durable


def test_a_file_is_replaced_and_is_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("before")
    (tmp_path / "note").chmod(0o644)
    durable.write(tmp_path / "note", b"after")
    assert (tmp_path / "note").read_text() == "after"
    assert stat.S_IMODE((tmp_path / "note").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


def test_before_the_end_nobody_sees_what_is_written(tmp_path: Path) -> None:
    durable.write(tmp_path / "note", b"before")
    with durable.replace_file(tmp_path / "note") as file:
        file.write(b"af")
        file.flush()
        assert (tmp_path / "note").read_bytes() == b"before"
        file.write(b"ter")
    assert (tmp_path / "note").read_bytes() == b"after"


def test_a_failure_leaves_the_former_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable.write(tmp_path / "note", b"before")

    def write_half() -> None:
        with durable.replace_file(tmp_path / "note") as file:
            file.write(b"half")
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_half()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        durable.write(tmp_path / "note", b"after")
    assert (tmp_path / "note").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("mine")
    (tmp_path / "note").symlink_to(tmp_path / "thesis")
    durable.write(tmp_path / "note", b"after")
    assert (tmp_path / "thesis").read_text() == "mine"
    assert not (tmp_path / "note").is_symlink()


def test_a_file_system_that_cannot_sync_folders_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def picky(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", picky)
    durable.write(tmp_path / "note", b"after")
    assert (tmp_path / "note").read_bytes() == b"after"


WRITER = """
    import sys
    from pathlib import Path
    from indexes import durable

    for number in range(10_000):
        durable.write(Path(sys.argv[1]), bytes([number % 256]) * 200_000)
        if number == 0:
            print("writing", flush=True)
"""


def test_a_kill_at_any_moment_leaves_one_whole_file(tmp_path: Path) -> None:
    chance = random.Random(5)
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path / "note")],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
        content = (tmp_path / "note").read_bytes()
        assert len(content) == 200_000
        assert len(set(content)) == 1
    durable.remove_leftovers(tmp_path / "note")
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


def test_only_what_was_left_of_this_file_is_removed(tmp_path: Path) -> None:
    for name in ("a[b]", ".a[b].partial-x", ".a.partial-x", "a[b].partial-x"):
        (tmp_path / name).touch()
    durable.remove_leftovers(tmp_path / "a[b]")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".a.partial-x", "a[b]", "a[b].partial-x",
    ]  # fmt: skip


def test_what_changed_since_it_was_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "one").write_text("one")
    (tmp_path / "two").write_text("two")
    written = durable.digests(tmp_path)
    assert sorted(written) == ["inner/one", "two"]
    (tmp_path / "inner" / "one").write_text("One")
    assert durable.changed_files(tmp_path, written) == ["inner/one"]
    (tmp_path / "two").unlink()
    (tmp_path / "two").symlink_to(tmp_path / "inner" / "one")
    with pytest.raises(OSError, match="symbolic"):
        durable.changed_files(tmp_path, written)
