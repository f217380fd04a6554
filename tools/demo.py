"""The whole path on the examples: documents in, the same questions as two users, cited answers out;
then it stays up.

    python -m tools.demo [--model smollm2|none|FOLDER|NAME] [--port 8080] [--once]

What it keeps lies in var/demo. Ctrl-C stops everything that it started.
"""

import argparse
import os
import shutil
import sys
import textwrap
import time
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

from indexes import settings as configuration
from indexes.catalog import Catalog
from indexes.model import Actor
from tools.model_server import MODELS, PACKAGED, Starting, starting_model_server
from tools.processes import ServerFailed, free_port, is_free, running, terminating, wait_for
from tools.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
HOME = ROOT / "var" / "demo"
KEY_LABEL = "demo"
_ACTOR = Actor("system:demo")
SERVICE_LIMIT_S = 180.0
ANSWER_LIMIT_S = 300.0


class DemoFailed(Exception):
    """The demo cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    name: str
    about: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Where this run keeps its things."""

    home: Path
    port: int
    model: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def own_settings(self) -> dict[str, str]:
        return {
            "CLEARANCE_HOME": str(self.home),
            "CLEARANCE_PORT": str(self.port),
            "CLEARANCE_LLM_ANSWER_TOKENS": "160",
        }

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, **self.own_settings, **more}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--model", default="smollm2", help="none, smollm2, a folder, or a name on the hub"
    )
    parser.add_argument("--port", type=int, help="default: 8080, or a free one")
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--once", action="store_true", help="stop after the answers")
    asked = parser.parse_args()
    forget_own_settings()
    port = asked.port or (8080 if is_free(8080) else free_port())
    demo = Demo(home=asked.home.absolute(), port=port, model=asked.model)
    try:
        with terminating(), ExitStack() as stack:
            run_demo(demo, stack, stay=not asked.once)
    except KeyboardInterrupt:
        say("\nStopped.")
    except (DemoFailed, ServerFailed) as failed:
        print(f"\nThe demo failed. {failed}", file=sys.stderr)
        return 1
    return 0


def forget_own_settings() -> None:
    """The caller's settings name the caller's catalog, where the invented people of the examples
    must not get to.

    A `.env` is passed over, too: every command runs in the demo's own folder.
    """
    for name in [name for name in os.environ if name.startswith(configuration.PREFIX)]:
        del os.environ[name]


def run_demo(demo: Demo, stack: ExitStack, *, stay: bool) -> None:
    began = time.monotonic()
    demo.home.mkdir(parents=True, exist_ok=True)
    MODELS.mkdir(parents=True, exist_ok=True)
    if not (demo.home / "models").exists():
        (demo.home / "models").symlink_to(MODELS)  # unpacked once, for every home on this machine
    server = None if demo.model == "none" else stack.enter_context(_model_server(demo))
    askers = make_people(demo)  # first: rules that deny somebody unknown are refused
    ingest(demo)
    if server:
        server.wait()
    service = {"CLEARANCE_LLM_URL": server.url} if server else {}
    stack.enter_context(run_service(demo, service))
    if demo.model in PACKAGED:
        say(
            "The packaged model is very small: it shows that everything works, and is often wrong. The quotes are not."
        )
    ask_everything(demo, askers)
    say(f"\nAll of this took {time.monotonic() - began:.0f} seconds.")
    if stay:
        print_how_to_go_on(demo, askers)
        while True:
            if server and server.process.poll() is not None:
                raise ServerFailed(f"vLLM ended by itself; see {_relative_path(server.log)}.")
            time.sleep(1)


@contextmanager
def _model_server(demo: Demo) -> Iterator[Starting]:
    """Begins to start at once; that takes a minute, in which the documents are read."""
    with starting_model_server(demo.model, log=demo.home / "log" / "model-server.log") as server:
        say(f"vLLM starts with {demo.model} meanwhile; its log is {_relative_path(server.log)}.")
        yield server


def ingest(demo: Demo) -> None:
    print_heading("Documents in")
    say(f"$ clearance ingest {_relative_path(EXAMPLES / 'documents')}")
    command = [_find_command(), "ingest", str(EXAMPLES / "documents"), "--prune"]
    with running(command, log=None, env=demo.environment(), cwd=demo.home) as process:
        if process.wait() != 0:
            raise DemoFailed("Some documents could not be read; see above.")


def make_people(demo: Demo) -> list[Asker]:
    """Users, groups and two fresh keys, as `clearance users`, `clearance groups` and `clearance
    keys` make them.
    """
    print_heading("People")
    people = yaml.safe_load((EXAMPLES / "people.yaml").read_text(encoding="utf-8"))
    catalog = Catalog.open(configuration.load(demo.own_settings, env_file=None).catalog_url)
    try:
        add_people(catalog, people)
        askers = []
        for name in people["demo"]:
            for old in catalog.keys.list(name):
                if old.label == KEY_LABEL and old.revoked_at is None:
                    catalog.keys.revoke(old.id, by=_ACTOR)
            key = catalog.keys.issue(name, label=KEY_LABEL, by=_ACTOR).secret
            askers.append(Asker(name=name, about=people["users"][name], key=key))
    finally:
        catalog.close()
    for group, members in people["groups"].items():
        say(f"group:{group}: {', '.join(members)}")
    return askers


def add_people(catalog: Catalog, people: Mapping[str, Any]) -> None:
    """Users, groups and memberships as the file names them; what is there already stays."""
    for user in {f"user:{name}" for name in people["users"]} - set(catalog.people.users()):
        catalog.people.add_user(user, by=_ACTOR)
    groups = {f"group:{name}": set(members) for name, members in people["groups"].items()}
    known = catalog.people.groups()
    for group in groups.keys() - known.keys():
        catalog.people.add_group(group, by=_ACTOR)
    for group, members in groups.items():
        for member in members - set(known.get(group, ())):
            catalog.people.add_member(group, member, by=_ACTOR)


@contextmanager
def run_service(demo: Demo, settings: dict[str, str]) -> Iterator[None]:
    print_heading("The service")
    log = demo.home / "log" / "service.log"
    with running(
        [_find_command(), "serve"], log=log, env=demo.environment(**settings), cwd=demo.home
    ) as process:
        wait_for(
            f"{demo.url}/readyz",
            process,
            title="Starting the service",
            log=log,
            limit_s=SERVICE_LIMIT_S,
        )
        yield


def ask_everything(demo: Demo, askers: list[Asker]) -> None:
    questions = yaml.safe_load((EXAMPLES / "questions.yaml").read_text(encoding="utf-8"))
    answerers = ["quotes"] if demo.model == "none" else ["model", "quotes"]
    with httpx2.Client(base_url=demo.url, timeout=ANSWER_LIMIT_S) as client:
        for question in (item["question"] for item in questions if item.get("demo")):
            print_heading(question)
            for asker in askers:
                say(f"\n{asker.name} ({asker.about})", bold=True)
                for answerer in answerers:
                    show_answer(answerer, ask(client, asker, question, answerer))


def ask(client: httpx2.Client, asker: Asker, question: str, answerer: str) -> dict[str, Any]:
    """The reply of the service. Raises DemoFailed."""
    waiting = Progress(f"  {answerer}", quiet=True)
    headers = {"Authorization": f"Bearer {asker.key}"}
    try:
        with waiting.ticking():
            reply = client.post(
                "/ask", json={"question": question, "answerer": answerer}, headers=headers
            )
    except httpx2.HTTPError as error:
        raise DemoFailed(f"The service does not answer: {error}") from error
    if reply.status_code != 200:
        raise DemoFailed(f"The service answered {reply.status_code}: {reply.text}")
    return dict(reply.json())


def show_answer(answerer: str, reply: dict[str, Any]) -> None:
    say(_wrap(remove_controls(reply["answer"]), first=f"  {answerer:<6} | ", rest=f"{'':<8} | "))
    for number, source in describe_sources(reply["citations"]).items():
        say(f"{'':<11}[{number}] {source}", dim=True)


def describe_sources(citations: list[dict[str, Any]]) -> dict[int, str]:
    """What stands behind each number, with every page that is cited of it."""
    pages: dict[int, list[str]] = {}
    documents: dict[int, str] = {}
    for citation in citations:
        number, page = citation["n"], citation["page"]
        documents[number] = (
            f"{remove_controls(citation['title'])} ({remove_controls(citation['path'])})"
        )
        place = (
            f"{page['kind'] or 'page'} {remove_controls(str(page['name'] or page['number']))}"
            if page
            else ""
        )
        if place not in pages.setdefault(number, []):
            pages[number].append(place)
    return {
        number: ", ".join(filter(None, [document, *pages[number]]))
        for number, document in documents.items()
    }


def print_how_to_go_on(demo: Demo, askers: list[Asker]) -> None:
    print_heading("It stays up")
    say(f"{demo.url}/docs  shows every address. The keys of this run:")
    for asker in askers:
        say(f"  {asker.name}: {asker.key}", bold=True)
    say("Ask something yourself:")
    say(
        f"  curl -s {demo.url}/ask -H 'Authorization: Bearer {askers[0].key}' -H 'Content-Type: application/json' \\\n"
        """    -d '{"question": "When is the canteen open?"}'"""
    )
    say("Ctrl-C stops everything.")


def say(text: str, *, bold: bool = False, dim: bool = False) -> None:
    code = "1" if bold else "2" if dim else ""
    print(f"\033[{code}m{text}\033[0m" if code and sys.stdout.isatty() else text, flush=True)


def print_heading(text: str) -> None:
    say(f"\n== {text}", bold=True)


def remove_controls(text: str) -> str:
    """The text without anything that a terminal would obey. Documents are written by strangers."""
    return "".join(
        mark if unicodedata.category(mark) not in {"Cc", "Cf"} or mark == "\n" else " "
        for mark in text
    )


def _wrap(text: str, *, first: str, rest: str) -> str:
    width = min(110, shutil.get_terminal_size().columns)
    lines = [
        line
        for part in text.splitlines()
        for line in textwrap.wrap(part, width - len(first), break_on_hyphens=False)
    ]
    return "\n".join(
        (rest if number else first) + line for number, line in enumerate(lines or [""])
    )


def _find_command() -> str:
    """The command of this environment, whatever the PATH says."""
    return str(Path(sys.executable).with_name("clearance"))


def _relative_path(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main())
