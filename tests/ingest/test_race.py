"""Somebody who may write into one folder exchanges things in it while a run is on: no text gets
readers of another.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.world import TESTER

SECONDS = float(os.environ.get("RACE_SECONDS", "3"))  # for each way in; longer by hand
FILES = 6

EXCHANGE = """
import ctypes, itertools, os, sys
libc, here, pairs = ctypes.CDLL(None, use_errno=True), -100, [os.fsencode(name) for name in sys.argv[1:]]
print("ready", flush=True)
for turn in itertools.count():
    for one, other in zip(pairs[::2], pairs[1::2]):
        libc.renameat2(here, one, here, other, 2)  # RENAME_EXCHANGE
"""


@contextmanager
def exchanging(*pairs: Path) -> Iterator[None]:
    """Another process exchanges the first with the second, the third with the fourth and so on, all
    the time.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", EXCHANGE, *map(str, pairs)], stdout=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.readline()
    try:
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def secret(tmp_path) -> Path:
    """A folder outside, whose text nobody may lend to anybody."""
    folder: Path = tmp_path / "secret"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number}.txt").write_text(f"SECRET number {number}.")
    (folder / ".access.yaml").write_text("allow: [public]\n")
    return folder


def fill(world, folder: str, *allow: str) -> None:
    world.rule(*allow, folder=folder)
    for number in range(FILES):
        world.write(f"{folder}/{number}.txt", f"{folder.upper()} number {number}.")


def raced(world, *pairs: Path, **request) -> Counter[tuple[str, str]]:
    """Runs on end while things are exchanged: how often each text was stored for each group of
    readers.
    """
    seen: Counter[tuple[str, str]] = Counter()
    world.ingest(**request)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with exchanging(*pairs):
            world.ingest(**request)
        found = world.rows(
            "SELECT substr(text, 1, instr(text, ' ') - 1), group_concat(name), uri FROM documents "
            "JOIN document_texts ON document_id = documents.id "
            "LEFT JOIN reader_set_entries e ON e.reader_set_id = documents.reader_set_id "
            "LEFT JOIN principals p ON p.id = principal_id GROUP BY documents.id"
        )
        seen.update((text, readers) for text, readers, _ in found)
        with world.catalog() as catalog:
            for _, _, uri in found:
                catalog.documents.delete(uri, by=TESTER)
    return seen


def test_a_folder_that_is_exchanged_for_a_link_lends_nobody_another_folders_text(world, secret):
    fill(world, "open", "group:open")
    (world.docs / "link").symlink_to(secret)
    seen = raced(world, world.docs / "open", world.docs / "link")
    assert set(seen) <= {("OPEN", "group:open"), ("OPEN", None)}
    assert seen["OPEN", "group:open"]


def test_a_file_or_a_rule_that_is_exchanged_for_a_link_is_not_read_through_it(world, secret):
    fill(world, "open", "group:open")
    pairs = []
    for name in ("0.txt", "1.txt", "2.txt", ".access.yaml"):
        (world.docs / "open" / f"~{name}").symlink_to(secret / name)
        pairs += [world.docs / "open" / name, world.docs / "open" / f"~{name}"]
    seen = raced(world, *pairs)
    assert set(seen) <= {("OPEN", "group:open"), ("OPEN", None)}


def test_two_folders_that_change_places_keep_their_readers(world):
    fill(world, "hr", "group:hr")
    fill(world, "all", "public")
    seen = raced(world, world.docs / "hr", world.docs / "all")
    assert set(seen) <= {("HR", "group:hr"), ("ALL", "public"), ("HR", None), ("ALL", None)}
    assert seen["HR", "group:hr"] and seen["ALL", "public"]  # noqa: PT018


@pytest.mark.parametrize("way", ["allow", "manifest"])
def test_a_rule_by_name_gets_no_text_from_outside_either(world, secret, tmp_path, way):
    fill(world, "open", "group:open")
    (world.docs / "link").symlink_to(secret)
    manifest = tmp_path / "list.jsonl"
    manifest.write_text(
        "".join(
            f'{{"file": "docs/open/{n}.txt", "allow": ["group:open"]}}\n' for n in range(FILES)
        ),
        encoding="utf-8",
    )
    request = {"allow": ("group:open",)} if way == "allow" else {"manifest": manifest}
    seen = raced(world, world.docs / "open", world.docs / "link", **request)
    assert set(seen) <= {("OPEN", "group:open"), ("OPEN", None)}
