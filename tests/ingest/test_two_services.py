"""Batches of commands in a terminal, and two running services on one home that must answer alike
and rightly.
"""

import json
import multiprocessing
import os
import socket
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest
import typer
import uvicorn
from typer.testing import CliRunner

import ingest.cli.ingest
from indexes import embedder
from indexes.cli import administration as commands
from indexes.settings import Settings
from ingest import requests as request
from ingest.testing import SpyEmbedder

USERS, GROUPS, FOLDERS = ("ada", "bob"), ("hr", "eng", "all"), ("pay", "parts", "open")
WORDS = ("salary", "pump", "canteen", "budget", "预算", "alpha")
EDITS = 200


def _serve(home: Path, pipe: Connection) -> None:
    from service.app import create_app

    bound = socket.create_server(("127.0.0.1", 0))
    app = create_app(
        Settings(home=home), embedder=SpyEmbedder(), load_embedder=lambda *_: SpyEmbedder()
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            pipe.send(bound.getsockname()[1])

    Server(uvicorn.Config(app, log_level="critical")).run([bound])


@pytest.fixture
def run(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line in this process, with a hashing embedder and shared parsers."""
    monkeypatch.setattr(embedder, "load", lambda settings, say, **_: SpyEmbedder())
    monkeypatch.setattr(request, "Parsers", world.parsers)
    monkeypatch.setenv("CLEARANCE_HOME", str(world.settings.home))
    monkeypatch.chdir(world.docs.parent)
    app = typer.Typer()
    for part in (commands.app, ingest.cli.ingest.app):
        app.add_typer(part)
    runner = CliRunner()

    def invoke(*arguments: str | Path) -> Any:
        done = runner.invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == 0, (arguments, done.output, done.exception)
        return done

    return invoke


@pytest.fixture
def services(world: Any, run: Any) -> Iterator[list[str]]:
    """Addresses of two services on the home, once it has a first document."""
    world.write("open/welcome.txt", "canteen")
    world.rule("public", folder="open")
    run("ingest", world.docs)
    context = multiprocessing.get_context("spawn")
    processes, addresses = [], []
    for _ in range(2):
        mine, theirs = context.Pipe()
        processes.append(context.Process(target=_serve, args=(world.settings.home, theirs)))
        processes[-1].start()
        addresses.append(mine)
    yield [f"http://127.0.0.1:{pipe.recv()}" for pipe in addresses]
    for process in processes:
        process.terminate()
        process.join(20)
        process.kill()


class Town:
    """What was done in the terminal, and who may read what after it."""

    def __init__(self, world: Any, run: Any) -> None:
        self.world, self.run = world, run
        self.files = {"open/welcome.txt"}
        self.rules: dict[str, list[str]] = {"open": ["public"]}
        self.members: set[tuple[str, str]] = set()
        self.number = 0

    def edit(self, chance: Random) -> None:
        kind = chance.choice(
            ["write"] * 5 + ["rule"] * 4 + ["delete", "rename", "join", "join", "leave"]
        )
        if kind == "write":
            name = f"{chance.choice(FOLDERS)}/{chance.randint(1, 5)}.txt"
            self.number += 1
            self.world.write(name, " ".join([*chance.choices(WORDS, k=6), f"v{self.number}"]))
            self.files.add(name)
        elif kind == "rule":
            folder = chance.choice(FOLDERS)
            self.rules[folder] = chance.choice(
                [["group:hr"], ["group:eng"], ["group:all", "user:bob"], ["public"]]
            )
            self.world.rule(*self.rules[folder], folder=folder)
        elif kind == "delete" and len(self.files) > 2:
            name = chance.choice(sorted(self.files))
            self.files.remove(name)
            (self.world.docs / name).unlink()
        elif kind == "rename" and self.files:
            name = chance.choice(sorted(self.files))
            other = f"{chance.choice(FOLDERS)}/{chance.randint(6, 9)}.txt"
            (self.world.docs / other).parent.mkdir(exist_ok=True)
            (self.world.docs / name).replace(self.world.docs / other)
            self.files = (self.files - {name}) | {other}
        elif kind in ("join", "leave"):
            self._member(kind, chance)

    def _member(self, kind: str, chance: Random) -> None:
        if kind == "leave" and self.members:
            edge = chance.choice(sorted(self.members))
            self.members.remove(edge)
        else:
            edge = (
                chance.choice(GROUPS),
                chance.choice(["user:ada", "user:bob", "group:hr", "group:eng"]),
            )
            kind = "join"
            self.members.add(edge)
        self.run("groups", kind, *edge)

    def take_in(self) -> None:
        for folder in FOLDERS:
            if folder not in self.rules:
                self.rules[folder] = ["group:all"]
                self.world.rule("group:all", folder=folder)
        # a batch may well take more than a third of so few
        self.run("ingest", self.world.docs, "--prune-anyway")

    def readable(self, user: str) -> set[str]:
        mine, before = {f"user:{user}", "public"}, set[str]()
        while mine != before:
            before = set(mine)
            mine |= {f"group:{group}" for group, member in self.members if member in mine}
        return {
            f"docs/{name}" for name in self.files if mine & set(self.rules[name.partition("/")[0]])
        }


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_services_answer_alike_and_rightly_after_every_batch_of_commands(
    world: Any, run: Any, services: list[str]
) -> None:
    seed = int(os.environ.get("CLEARANCE_TEST_SEED", Random().getrandbits(32)))
    print("seed", seed)
    chance, town = Random(seed), Town(world, run)
    for user in USERS:
        run("users", "add", user)
    for group in GROUPS:
        run("groups", "add", group)
    keys = {
        user: json.loads(run("keys", "issue", user, "--json").stdout)["secret"] for user in USERS
    }
    done = 0
    with httpx2.Client(timeout=30) as client:
        while done < EDITS:
            batch = chance.randint(1, 30)
            for _ in range(batch):
                town.edit(chance)
            town.take_in()
            if chance.random() < 0.2:
                run("rebuild")
            done += batch
            for user, key in keys.items():
                for mode in ("dense", "keyword", "hybrid"):
                    body = {"question": " ".join(chance.choices(WORDS, k=2)), "k": 50, "mode": mode}
                    asked = {"json": body, "headers": {"Authorization": f"Bearer {key}"}}
                    one, other = (client.post(f"{url}/search", **asked) for url in services)  # type: ignore[arg-type]
                    assert one.status_code == 200, one.text
                    assert one.json() == other.json()
                    paths = {passage["path"] for passage in one.json()["passages"]}
                    readable = town.readable(user)
                    assert paths <= readable, f"{mode} shows {user} {paths - readable}"
                    if mode == "dense":
                        assert paths == readable, f"{user} lacks {readable - paths}"
    assert json.loads(run("verify", "--json").stdout)["sound"]
