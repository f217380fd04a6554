"""The example of a first day, played on real parts: service, worker, identity provider, MCP client."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.service.oidc.identity_provider import AUDIENCE, IdentityProvider, identity_provider
from tools.processes import free_port, running, wait_for

ROOT = Path(__file__).parents[1]
LIMIT_S = 300


@pytest.fixture
def corp(tmp_path: Path) -> Iterator[IdentityProvider]:
    with identity_provider(tmp_path / "corp") as provider:
        yield provider


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S)
def test_the_first_day_goes_as_the_example_tells(tmp_path: Path, corp: IdentityProvider) -> None:
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    (home / "models").symlink_to(ROOT / "var" / "models")
    provider = {"name": "corp", "issuer": corp.issuer, "audience": AUDIENCE}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CLEARANCE_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CLEARANCE_HOME": str(home),
        "CLEARANCE_PORT": str(port),
        "CLEARANCE_IDENTITY_PROVIDERS": json.dumps([provider]),
    }
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({name: corp.access_token(name) for name in ("ada", "bob")}))
    with ExitStack() as stack:
        for words in (("serve",), ("worker",)):
            log = tmp_path / f"{words[0]}.log"
            server = stack.enter_context(
                running(["clearance", *words], log=log, env=environment, cwd=tmp_path)
            )
            if words == ("serve",):
                ready = f"http://127.0.0.1:{port}/readyz"
                wait_for(ready, server, title="the service", log=log, limit_s=LIMIT_S)
        command = [sys.executable, str(ROOT / "examples" / "first_day.py")]
        command += ["--url", f"http://127.0.0.1:{port}", "--tokens", str(tokens)]
        command += ["--folder", str(tmp_path / "handbook")]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 8, done.stdout
