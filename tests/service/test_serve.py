"""The command that starts the service, as a process of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from indexes.errors import BadConfiguration
from service.cli.serve import _bind_address, serve
from service.operating import logs

START = [sys.executable, "-c", "from indexes.cli.main import main; main()", "serve"]


def environment(home: Path, **more: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CLEARANCE_")}
    return ours | {"CLEARANCE_HOME": str(home), "OMP_NUM_THREADS": "1"} | more


@contextmanager
def serving(home: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the address that it says it answers on."""
    process = subprocess.Popen(
        [*START, *options], env=environment(home), stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        url = next(
            found[0]
            for line in process.stderr
            if (found := re.search(r"(?<=answers on )http://\S+?(?=;)", line))
        )
        yield process, url
    finally:
        process.kill()
        process.wait()


def test_small_replies_do_not_wait_for_the_network() -> None:
    with _bind_address("127.0.0.1", 0) as listening:
        listening.listen()
        with socket.create_connection(listening.getsockname()):
            accepted, _ = listening.accept()
            with accepted:
                # what asyncio looks at before it sets TCP_NODELAY
                assert accepted.proto == socket.IPPROTO_TCP


@pytest.mark.slow
def test_the_service_starts_answers_and_stops_when_told_to(tmp_path: Path) -> None:
    with serving(tmp_path, "--port", "0") as (process, url):
        assert httpx2.get(f"{url}/livez").json() == {"status": "live"}
        assert httpx2.get(f"{url}/readyz").json()["checks"]["model"] == "not configured"
        assert httpx2.post(f"{url}/ask", json={"question": "Who may ask?"}).status_code == 401
        assert "server" not in httpx2.get(f"{url}/livez").headers
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - told < 15
    assert list((tmp_path / "derived").rglob("*")), "no checkpoint was written at the end"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"CLEARANCE_PROT": "8080"}, "CLEARANCE_PROT"),
        ({"CLEARANCE_PORT": "eighty"}, "CLEARANCE_PORT"),
        ({"CLEARANCE_HOST": "no.such.host.invalid"}, "no.such.host.invalid"),
        ({"CLEARANCE_DATABASE_URL": "mysql://localhost/clearance"}, "mysql"),
        ({"CLEARANCE_LLM_API_KEY": "change-me"}, "CLEARANCE_LLM_API_KEY"),
        ({"CLEARANCE_AUTH": "off"}, "CLEARANCE_AUTH"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    monkeypatch.setattr(logs, "configure", lambda level: None)
    for name, value in ({"CLEARANCE_HOME": str(tmp_path)} | given).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadConfiguration, match=said):
        serve(port=None if "CLEARANCE_PORT" in given else 0)


def test_a_port_that_is_taken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure", lambda level: None)
    monkeypatch.setenv("CLEARANCE_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadConfiguration, match=f"127.0.0.1:{port}"):
            serve(port=port)


@pytest.mark.slow
def test_a_service_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    changed = environment(tmp_path, CLEARANCE_EMBEDDING_MODEL=str(tmp_path / "no-such-folder"))
    ended = subprocess.run(
        [*START, "--port", "0"], env=changed, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 2
    assert "no-such-folder" in ended.stderr
    assert "Traceback" not in ended.stderr
