"""What scripts start, they stop: with its children, and however they end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tools import rooms, slow_tests
from tools.demo import describe_sources, remove_controls
from tools.processes import ServerFailed, free_port, is_free, running, wait_for

ROOT = Path(__file__).resolve().parent.parent
SVG_TEXT = "{http://www.w3.org/2000/svg}text"
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
{deaf}
time.sleep(600)
"""
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
SCRIPT = """
import sys, time
from pathlib import Path
from tools.processes import running, terminating
try:
    with terminating(), running([sys.executable, "-c", sys.argv[2]], log=Path(sys.argv[1])):
        time.sleep(600)
except KeyboardInterrupt:
    sys.exit(7)
"""


def first_number(log: Path, limit_s: float = 20) -> int:
    """The process id that the log begins with."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if log.exists() and (words := log.read_text(encoding="utf-8").split()):
            return int(words[0])
        time.sleep(0.05)
    raise AssertionError("nothing was printed")


def runs(pid: int) -> bool:
    """Whether the process still does anything. One that ended and waits to be noticed does not."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
            != "Z"
        )
    except FileNotFoundError:
        return False


def ends(pid: int, limit_s: float = 20) -> bool:
    end = time.monotonic() + limit_s
    while runs(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not runs(pid)


@pytest.mark.parametrize(
    "deaf", ["", DEAF], ids=["one that listens", "one that ignores the request"]
)
def test_a_stopped_server_takes_its_children_along(tmp_path, deaf, monkeypatch):
    monkeypatch.setattr("tools.processes.GRACE_SECONDS", 0.5)
    log = tmp_path / "log"
    with running([sys.executable, "-c", PARENT.format(deaf=deaf)], log=log) as process:
        child = first_number(log)
        assert runs(child)
    assert process.returncode is not None
    assert ends(child)


def test_a_server_is_stopped_when_the_script_fails(tmp_path):
    log = tmp_path / "log"

    def fail() -> None:
        with running([sys.executable, "-c", PARENT.format(deaf="")], log=log):
            raise ZeroDivisionError(first_number(log))

    with pytest.raises(ZeroDivisionError) as raised:
        fail()
    assert ends(raised.value.args[0])


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_every_way_to_end_a_script_stops_what_it_started(tmp_path, number):
    log = tmp_path / "log"
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, log, PARENT.format(deaf="")],
        cwd=ROOT,
        # as a shell does for a job in the background
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    child = first_number(log)
    script.send_signal(number)
    assert script.wait(20) == 7
    assert ends(child)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process that its parent died"
)
def test_a_script_that_is_killed_leaves_no_server_behind(tmp_path):
    log = tmp_path / "log"
    server = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    script = subprocess.Popen([sys.executable, "-c", SCRIPT, log, server], cwd=ROOT)
    pid = first_number(log)
    script.kill()
    script.wait()
    assert ends(pid)


def test_a_server_that_ends_while_starting_is_reported_with_its_last_words(tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", "print('no such model'); raise SystemExit(3)"]
    with (
        running(command, log=log) as process,
        pytest.raises(ServerFailed, match=r"(?s)exit status 3.*no such model"),
    ):
        wait_for(f"http://127.0.0.1:{free_port()}/", process, title="Starting", log=log, limit_s=20)


def test_a_server_that_never_answers_is_given_up(tmp_path):
    log = tmp_path / "log"
    with (
        running([sys.executable, "-c", "import time; time.sleep(600)"], log=log) as process,
        pytest.raises(ServerFailed, match="not ready"),
    ):
        wait_for(
            f"http://127.0.0.1:{free_port()}/", process, title="Starting", log=log, limit_s=0.6
        )


def test_a_port_in_use_is_not_free():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])
    assert is_free(free_port())


def test_a_quiet_command_shows_its_output_only_when_it_fails():
    def run(code: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "tools/progress.py", "Working", "--", sys.executable, "-c", code]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    good, bad = run("print('chatter')"), run("print('the reason'); raise SystemExit(4)")
    assert (good.returncode, "chatter" in good.stdout + good.stderr) == (0, False)
    assert "Working: done" in good.stdout
    assert (bad.returncode, bad.stderr) == (4, "the reason\n")


def test_what_a_document_says_cannot_steer_the_terminal():
    assert remove_controls("all \x1b[2J well\u202e\nnext") == "all  [2J well \nnext"


def test_sources_name_every_cited_page_once():
    def cite(n: int, page: int | None) -> dict[str, object]:
        place = {"number": page, "name": None, "kind": "page"} if page else None
        return {"n": n, "page": place, "title": "Manual", "path": "a/manual.pdf"}

    assert describe_sources([cite(1, 2), cite(1, 1), cite(1, 2), cite(2, None)]) == {
        1: "Manual (a/manual.pdf), page 2, page 1",
        2: "Manual (a/manual.pdf)",
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_without_a_model_server_answers_both_users_and_leaves_nothing_running(tmp_path):
    command = [
        sys.executable,
        "-m",
        "tools.demo",
        "--model",
        "none",
        "--once",
        "--home",
        str(tmp_path / "home"),
    ]
    port = free_port()
    own = tmp_path / "own.sqlite"
    environment = {**os.environ, "CLEARANCE_DATABASE_URL": f"sqlite:///{own}"}
    done = subprocess.run(
        [*command, "--port", str(port)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert told.count("41 florins") == 2  # both may read the travel policy
    assert told.count("71900") == 1  # only one may read the salaries
    assert told.count("11 newton metres") == 1  # only the other may read the manual
    assert is_free(port)
    assert not own.exists()  # the caller's own catalog is left alone


def test_an_arrow_that_runs_back_is_found(tmp_path):
    for name, imports in {
        "top": "service.ground",
        "ground": "service.top",
        "beside": "service.ground",
    }.items():
        room = tmp_path / "service" / name
        room.mkdir(parents=True)
        (room / "__init__.py").write_text(f"from {imports} import something\n")
    contract = '[[tool.importlinter.contracts]]\ntype = "layers"\ncontainers = ["service"]\n'
    (tmp_path / "pyproject.toml").write_text(contract + 'layers = ["top | beside", "ground"]\n')
    arrows, floors = rooms.find_arrows(tmp_path), rooms.read_floors(tmp_path)
    assert {arrow for arrow in arrows if rooms.runs_back(arrow, floors)} == {
        ("service.ground", "service.top")
    }


def test_a_room_on_no_floor_is_found_with_and_without_arrows(tmp_path, monkeypatch, capsys):
    for room in ("top", "ground", "lost", "testing"):
        (tmp_path / "service").mkdir(exist_ok=True)
        (tmp_path / "service" / f"{room}.py").write_text("import os\n")
    contract = '[[tool.importlinter.contracts]]\ntype = "layers"\ncontainers = ["service"]\n'
    contract += 'exhaustive_ignores = ["testing"]\nlayers = ["top", "ground"]\n'
    (tmp_path / "pyproject.toml").write_text(contract)
    monkeypatch.setattr(rooms, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["rooms"])
    with pytest.raises(SystemExit) as ended:
        rooms.main()
    assert ended.value.code == 1
    assert "service.lost stands on no floor" in capsys.readouterr().out


def test_every_floor_is_declared_exhaustive():
    for container, contract in rooms._read_layers(ROOT):
        assert contract["exhaustive"] is True, container


def test_every_line_of_the_slow_tests_names_a_test():
    entries = slow_tests.SLOW.read_text(encoding="utf-8").split()
    assert slow_tests.find_dead_entries(ROOT, entries) == []
    assert entries == sorted(set(entries))


def test_a_line_without_a_test_is_found(tmp_path):
    (tmp_path / "test_a.py").write_text("def test_one(): ...\nTestAny = Machine.TestCase\n")
    (tmp_path / "test_b.py").write_text("class TestB:\n    async def test_two(self): ...\n")
    live = ["test_a.py::test_one", "test_a.py::runTest", "test_b.py::test_two"]
    dead = ["test_a.py::test_gone", "test_b.py::runTest", "test_c.py::test_one"]
    assert slow_tests.find_dead_entries(tmp_path, [*live, *dead]) == dead


@pytest.mark.slow
def test_a_checkout_beside_itself_is_measured_in_pairs_and_told_on_one_page(tmp_path):
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "bench.quick", "--other", str(ROOT), "--works", "ingest"]
    done = subprocess.run(
        [*command, "--pairs", "1", "--seconds", "0", "--json", str(figures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(figures.read_text(encoding="utf-8"))
    (row,) = told["works"]
    assert row["work"] == "ingest six files"
    assert row["pairs"] == 1
    assert row["low"] <= row["ratio"] <= row["high"]
    assert all(part in done.stdout for part in (str(ROOT), row["work"], row["verdict"]))


def test_the_picture_of_searches_names_each_engine_and_writes_recall_that_is_not_full(tmp_path):
    rows = [
        {"engine": engine, "share": share, "k": 10, "recall": recall, "cpu_p50_ms": ms}
        for engine, recall, ms in (("search", 1.0, 2.0), ("FAISS HNSW32 + bitmap", 0.58, 0.7))
        for share in (0.01, 1.0)
    ]
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({"vectors": 5_000, "figures": rows}), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "bench.retrieval_picture", str(figures)], cwd=ROOT, check=True
    )
    told = [text.text for text in ElementTree.parse(figures.with_suffix(".svg")).iter(SVG_TEXT)]
    assert {"Clearance, whole search", "FAISS HNSW + bitmap", "1 %", "100 %"} <= set(told)
    assert told.count("0.58") == 2
