"""What a parser that a hostile document has taken over can do: nothing but give a wrong text for
that document.
"""

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest

from indexes.errors import ParsersNotConfined
from indexes.job_kinds import IngestRequest
from indexes.settings import Settings
from ingest.cli.ingest import ingest_once
from ingest.elements import Parsed, ParseOptions
from ingest.isolation import landlock
from ingest.isolation.confinement import LAYERS, Confinement
from ingest.isolation.sandbox import Parsers
from ingest.isolation.seccomp import call_filter
from ingest.partition import parse
from ingest.testing import SpyEmbedder, private_copy_of
from tests.ingest import files

HOSTILE = "tests.ingest.hostile:attack"
SECRET = "zanzibar-9041"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("service") / "home"
    place.mkdir()
    place.chmod(0o777)  # permissions are not what keeps parsers out
    (place / "catalog.sqlite").write_text(SECRET, encoding="utf-8")
    (place / "catalog.sqlite").chmod(0o666)
    for folder in place.parents:
        if folder.stat().st_uid == os.getuid() and Path(tempfile.gettempdir()) in folder.parents:
            folder.chmod(0o755)
    return place


@pytest.fixture(scope="module")
def told() -> list[Confinement]:
    return []


@pytest.fixture(scope="module")
def parsers(home: Path, told: list[Confinement]) -> Iterator[Parsers]:
    os.environ["CLEARANCE_LLM_API_KEY"] = SECRET
    try:
        with Parsers(
            Settings(home=home, parse_workers=1, parse_timeout_s=20),
            parser=HOSTILE,
            tell=told.append,
        ) as pool:
            yield pool
    finally:
        del os.environ["CLEARANCE_LLM_API_KEY"]


@pytest.fixture
def attack(parsers: Parsers, tmp_path: Path):
    def attack(deed: str, *arguments: object) -> str:
        """What the hostile parser says of its attempt: `done …`, or the error that it met."""
        path = tmp_path / "document.txt"
        path.write_text("\n".join([deed, *map(str, arguments)]), encoding="utf-8")
        future: Future[Parsed] = parsers.submit(private_copy_of(path))
        return future.result(timeout=60).elements[0].text

    return attack


def test_the_attacks_work_on_somebody_who_is_not_confined(home: Path, tmp_path: Path) -> None:
    """Otherwise the tests below would show nothing."""
    from tests.ingest.hostile import attempt

    assert attempt("read", str(home / "catalog.sqlite")) == f"done {SECRET}"
    assert attempt("write", str(tmp_path / "x")).startswith("done")
    assert attempt("environment-of", str(os.getpid())).startswith("done")
    assert attempt("signal", str(os.getpid())).startswith("done")
    assert attempt("list", "/").startswith("done")


@pytest.mark.parametrize(
    "deed", ["read", "truncate", "write", "remove", "chmod", "list-parent", "link", "rename-over"]
)
def test_the_home_cannot_be_read_or_changed(attack, home: Path, deed: str) -> None:
    catalog = home / "catalog.sqlite"
    assert attack(deed, catalog).startswith(("PermissionError", "FileNotFoundError", "OSError"))
    assert catalog.read_text(encoding="utf-8") == SECRET
    assert catalog.stat().st_mode & 0o777 == 0o666


def test_no_other_document_can_be_read(attack, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(SECRET, encoding="utf-8")
    assert attack("read", other).startswith("PermissionError")
    assert attack("list-parent", other).startswith("PermissionError")
    # nor its own, by name
    assert attack("read", tmp_path / "document.txt").startswith("PermissionError")


def test_one_document_meets_nothing_of_the_one_before(attack) -> None:
    assert attack("leave-behind", SECRET).startswith("done")
    assert attack("look-around") == "done document.txt"


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "/etc/passwd", "/root", "/home", "/proc", "/proc/self/environ", "/"]
)
def test_nothing_else_of_the_machine_can_be_read(attack, path: str) -> None:
    assert attack("read" if Path(path).is_file() else "list", path).startswith(
        ("PermissionError", "FileNotFoundError")
    )


def test_no_secret_of_the_service_is_in_reach(attack) -> None:
    assert SECRET not in attack("own-environment")
    for pid in (os.getpid(), os.getppid(), 1):
        assert attack("environment-of", pid).startswith(("PermissionError", "FileNotFoundError"))
        assert attack("memory-of", pid).startswith(("PermissionError", "FileNotFoundError"))


@pytest.mark.parametrize("deed", ["ptrace", "process-vm-read", "signal", "signal-thread", "pidfd"])
def test_other_processes_cannot_be_touched(attack, deed: str) -> None:
    assert attack(deed, os.getpid()).startswith(("PermissionError", "ProcessLookupError"))


def test_there_is_no_network_and_no_way_to_a_local_service(attack, tmp_path: Path) -> None:
    abstract, here = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    datagrams, tcp = (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        socket.create_server(("127.0.0.1", 0)),
    )
    with abstract, here, datagrams, tcp:
        abstract.bind(f"\0clearance-test-{os.getpid()}")
        here.bind(str(tmp_path / "socket"))
        (tmp_path / "socket").chmod(0o777)
        datagrams.bind(str(tmp_path / "datagrams"))
        abstract.listen()
        here.listen()
        assert attack("tcp", tcp.getsockname()[1]).startswith("PermissionError")
        assert attack("udp", 53).startswith("PermissionError")
        assert attack("unix", f"\0clearance-test-{os.getpid()}").startswith("PermissionError")
        assert attack("unix", tmp_path / "socket").startswith("PermissionError")
        assert attack("datagram", tmp_path / "datagrams").startswith("PermissionError")
        assert attack("raw").startswith("PermissionError")


def test_nothing_is_written_outside_the_folder_of_the_process(attack, tmp_path: Path) -> None:
    for place in (
        tmp_path,
        Path("/tmp"),
        Path("/dev/shm"),
        Path("/var/tmp"),
        Path(sys.prefix),
        Path.cwd(),
    ):
        assert attack("write", place / "clearance-was-here").startswith("PermissionError")
        assert not (place / "clearance-was-here").exists()
    assert attack("write", "here.txt").startswith("done")


def test_what_was_written_cannot_be_run(attack) -> None:
    assert attack("run-own").startswith("PermissionError")


def test_a_fork_bomb_stays_small_and_ends_with_its_document(attack) -> None:
    started = int(attack("fork-bomb", 400).removeprefix("done "))
    assert started < 150
    # the next document is parsed as ever
    assert attack("read", "/etc/shadow").startswith("PermissionError")


@pytest.mark.parametrize(
    "deed",
    [
        "mount",
        "unshare-user",
        "unshare-network",
        "bpf",
        "io-uring",
        "userfaultfd",
        "keyring",
        "chroot",
        "set-user",
    ],
)
def test_doors_into_the_kernel_are_shut(attack, deed: str) -> None:
    assert attack(deed).startswith("PermissionError")


def test_it_is_nobody_and_has_no_privileges(attack, told: list[Confinement]) -> None:
    user, effective, new_privileges, filters = attack("status").removeprefix("done ").split()
    # the right to read, where only root may read the programs
    allowed = 0 if "privileges" in told[0].held else 1 << 2
    assert int(effective, 16) & ~allowed == 0
    assert (new_privileges, filters) == ("1", "2")
    assert (user != "0") == ("user" in told[0].held or os.getuid() != 0)


def test_how_well_it_is_confined_is_told_once(attack, told: list[Confinement]) -> None:
    attack("status")
    assert len(told) == 1
    assert told[0].enough
    assert {"files", "network", "calls", "signals"} <= told[0].held


def test_a_file_that_must_be_out_of_reach_and_is_not_stops_everything(tmp_path: Path) -> None:
    home = Path(landlock.code_folders()[0])  # a home inside what parsers have to read
    path = tmp_path / "a.txt"
    path.write_text("status", encoding="utf-8")
    with Parsers(Settings(home=home, parse_workers=1), parser=HOSTILE) as pool:
        with pytest.raises(ParsersNotConfined, match="can be read"):
            pool.check()
        assert isinstance(
            pool.submit(private_copy_of(path)).exception(timeout=60), ParsersNotConfined
        )


def test_a_run_tells_at_its_start_and_in_its_report_how_well_parsers_are_confined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("status", encoding="utf-8")
    settings = Settings(home=tmp_path / "home", parse_workers=1)
    request = IngestRequest(paths=(tmp_path / "docs",), allow=("public",))
    ingest_once(
        request,
        settings,
        as_json=True,
        load=lambda *_: SpyEmbedder(),
        make_parsers=partial(Parsers, parser=HOSTILE),
    )
    said = capsys.readouterr()
    assert "network" in json.loads(said.out)["confinement"]["held"]
    assert said.err.index("Parsers are") < said.err.index("a.txt")


def test_all_can_be_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path, parse_workers=1, confinement="require")
    told: list[Confinement] = []
    with Parsers(settings, parser=HOSTILE, tell=told.append) as pool:
        try:
            pool.check()
            refused = False
        except ParsersNotConfined:
            refused = True
    assert refused == bool(told[0].missing)


@pytest.mark.parametrize(
    ("held", "enough"),
    [
        (set(LAYERS), True),
        ({"files", "network"}, True),
        ({"user", "privileges", "network"}, True),
        ({"user", "network"}, False),
        ({"files", "calls", "processes"}, False),
        (set(), False),
    ],
)
def test_secrets_out_of_reach_and_no_network_are_what_it_takes(held, enough: bool) -> None:
    confined = Confinement(frozenset(held), (), by_root=True)
    assert confined.enough == enough
    assert Confinement.from_dict(confined.as_dict()) == confined
    assert ("cannot be confined" in confined.describe()) != enough


def test_a_filter_reads_the_same_on_both_machines_and_ends_in_a_decision() -> None:
    for machine in ("x86_64", "aarch64"):
        for sockets in (False, True):
            program = call_filter(machine, sockets=sockets, only_process=7)
            assert len(program) < 4_096
            for place, (code, yes, no, _) in enumerate(program):
                if code & 0x07 == 0x05:
                    assert place + 1 + max(yes, no) < len(program)
            assert program[-1][0] == 0x06


LEGACY = Path(os.environ.get("CLEARANCE_DATA", "../shared/data")) / "docs" / "legacy"
FORMATS = {
    "a.docx": files.word, "a.pptx": files.slides, "a.xlsx": files.sheets, "a.epub": files.book,
    "a.pdf": lambda path: files.pdf(path, [("The canteen opens at noon.", 12)]),
    "a.eml": lambda path: path.write_bytes(bytes(files.letter("Menu", "The canteen opens.", ("b.txt", b"Soup.")))),
    "a.png": lambda path: path.write_bytes(files.picture("Visitors sign in here")),
    "a.html": lambda path: path.write_text("<h1>Menu</h1><p>The canteen opens at noon.</p>", encoding="utf-8"),
    "a.csv": lambda path: path.write_text("day,dish\nMonday,soup\n", encoding="utf-8"),
    "a.md": lambda path: path.write_text("# Menu\n\nThe canteen opens at noon.", encoding="utf-8"),
    "a.rtf": lambda path: path.write_text(r"{\rtf1 The canteen opens at noon.}", encoding="utf-8"),
}  # fmt: skip


@pytest.mark.slow
def test_a_confined_parser_reads_every_format_as_well_as_a_free_one(
    pool: Parsers, tmp_path: Path
) -> None:
    made = {name: tmp_path / name for name in FORMATS}
    for name, make in FORMATS.items():
        make(made[name])
    confined = {name: pool.submit(private_copy_of(path)) for name, path in made.items()}
    for name, path in made.items():
        assert confined[name].result(timeout=120) == parse(path, ParseOptions()), name


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.skipif(not LEGACY.is_dir(), reason="the developer data is not there")
@pytest.mark.parametrize("name", ["legacy_sample.doc", "legacy_sample.ppt"])
def test_old_formats_go_through_libreoffice_under_the_same_confinement(
    pool: Parsers, name: str
) -> None:
    assert len(pool.submit(private_copy_of(LEGACY / name)).result(timeout=200).elements) > 20


def test_threads_of_the_service_do_not_matter(attack) -> None:
    thread = threading.Event()
    other = threading.Thread(target=thread.wait)
    other.start()
    try:
        assert attack("read", "/etc/shadow").startswith("PermissionError")
    finally:
        thread.set()
        other.join()
