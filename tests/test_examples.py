"""The examples: whole, the same bytes whenever they are made, and readable by exactly those whom
their folders name.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.testclient import TestClient

from indexes import settings as configuration
from indexes.catalog import Catalog
from indexes.model import PUBLIC, Readers
from indexes.settings import Settings
from ingest.access import AccessRules
from ingest.elements import Parsed, ParseOptions
from ingest.partition import parse
from ingest.tree import Tree
from service.app import create_app
from tests.world import TESTER
from tools import examples_make
from tools.demo import add_people

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
DOCUMENTS = EXAMPLES / "documents"
PEOPLE = yaml.safe_load((EXAMPLES / "people.yaml").read_text(encoding="utf-8"))
QUESTIONS = yaml.safe_load((EXAMPLES / "questions.yaml").read_text(encoding="utf-8"))
DEMO = [question for question in QUESTIONS if question.get("demo")]
FILES = sorted(
    path for path in DOCUMENTS.rglob("*") if path.is_file() and not path.name.startswith(".")
)


@cache
def parsed(path: Path) -> Parsed:
    return parse(path, ParseOptions(ocr=False))


def plain(text: str) -> str:
    return " ".join(text.split())


def groups_of(principal: str) -> set[str]:
    """The principal and every group that holds it, directly or through others."""
    found, wanted = {principal}, [principal]
    while wanted:
        member = wanted.pop()
        for group, members in PEOPLE["groups"].items():
            if member in members and (name := f"group:{group}") not in found:
                found.add(name)
                wanted.append(name)
    return found | {PUBLIC}


def may_read(user: str, readers: Readers) -> bool:
    names = groups_of(f"user:{user}")
    return bool(names & readers.allow) and not names & readers.deny


def test_there_are_documents_of_every_common_kind_in_two_languages():
    assert 20 <= len(FILES) <= 30
    kinds = {".docx", ".eml", ".html", ".md", ".pdf", ".pptx", ".txt", ".xlsx"}
    assert {path.suffix for path in FILES} == kinds
    assert {parsed(path).language for path in FILES} >= {"en", "zh"}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["document"])
def test_the_words_of_each_answer_stand_where_the_list_of_questions_says(question):
    elements = parsed(DOCUMENTS / question["document"]).elements
    page = question.get("page")
    text = " ".join(element.text for element in elements if page is None or element.page == page)
    assert question["says"] in plain(text)


def test_every_document_is_asked_about():
    assert {path.relative_to(DOCUMENTS).as_posix() for path in FILES} == {
        item["document"] for item in QUESTIONS
    }


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["document"])
def test_the_folders_let_in_exactly_the_readers_that_the_list_of_questions_names(question):
    file, rules = DOCUMENTS / question["document"], AccessRules()
    folder_rule = Tree.open(DOCUMENTS).rule_of(file.parent.relative_to(DOCUMENTS).parts, rules)
    readers = rules.readers(file, folder_rule)
    assert [user for user in PEOPLE["users"] if may_read(user, readers)] == question["readers"]


def test_inviting_the_people_again_changes_nothing(tmp_path):
    catalog = Catalog.open(f"sqlite:///{tmp_path}/catalog.sqlite")
    add_people(catalog, PEOPLE)
    before = catalog.people.users(), catalog.people.groups()
    add_people(catalog, PEOPLE)
    assert (catalog.people.users(), catalog.people.groups()) == before
    assert before[1]["group:engineering"] == ("group:contractors", "user:ben")
    catalog.close()


def test_making_the_binary_examples_again_gives_the_same_bytes(tmp_path):
    made = examples_make.main(tmp_path)
    binary = {path for path in FILES if path.suffix in examples_make.MAKERS}
    assert {path.relative_to(tmp_path) for path in made} == {
        path.relative_to(DOCUMENTS) for path in binary
    }
    for path in made:
        assert path.read_bytes() == (DOCUMENTS / path.relative_to(tmp_path)).read_bytes(), path.name


@dataclass(frozen=True)
class Office:
    """The service over the ingested examples, and a key for everyone."""

    client: TestClient
    keys: dict[str, str]

    def ask(self, user: str, question: str, **more: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.keys[user]}"}
        reply = self.client.post("/ask", json={"question": question, **more}, headers=headers)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """The examples, taken in by the command with the real embedder."""
    home = tmp_path_factory.mktemp("office")
    (home / "models").symlink_to(models)
    catalog = Catalog.open(Settings(home=home).catalog_url)
    add_people(catalog, PEOPLE)  # first: rules that deny somebody unknown are refused
    catalog.close()
    command = [str(Path(sys.executable).with_name("clearance")), "ingest", str(DOCUMENTS), "--json"]
    others = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(configuration.PREFIX)
    }
    done = subprocess.run(
        command,
        env={**others, "CLEARANCE_HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["totals"]["new"] == len(FILES)
    return home


def opened(settings: Settings) -> Iterator[Office]:
    catalog = Catalog.open(settings.catalog_url)
    add_people(catalog, PEOPLE)
    keys = {user: catalog.keys.issue(user, by=TESTER).secret for user in PEOPLE["users"]}
    catalog.close()
    with TestClient(create_app(settings)) as client:
        yield Office(client, keys)


@pytest.fixture(scope="module")
def office(home: Path) -> Iterator[Office]:
    yield from opened(Settings(home=home))


@pytest.fixture
def office_with_model(home: Path, model_server: str, patient: dict[str, float]) -> Iterator[Office]:
    settings = Settings(home=home, llm_url=model_server, llm_answer_tokens=32)
    yield from opened(settings.model_copy(update=patient))


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["document"])
def test_readers_are_shown_the_passage_with_the_answer_and_nobody_else_gets_a_word_of_it(
    office, question
):
    for user in PEOPLE["users"]:
        reply = office.ask(user, question["question"], answerer="quotes")
        whole = json.dumps(reply, ensure_ascii=False)
        if user in question["readers"]:
            shown = {passage["path"]: plain(shown_text(passage)) for passage in reply["passages"]}
            assert question["says"] in shown[f"documents/{question['document']}"], user
        else:
            assert question["document"] not in whole, user
            assert question["says"] not in plain(whole), user


@pytest.mark.slow
@pytest.mark.parametrize("question", DEMO, ids=lambda question: question["document"])
def test_what_the_demo_asks_is_answered_with_the_right_words_or_for_others_without_that_document(
    office, question
):
    for user in PEOPLE["demo"]:
        reply = office.ask(user, question["question"], answerer="quotes")
        cited = {citation["path"] for citation in reply["citations"]}
        if user in question["readers"]:
            assert question["says"] in plain(reply["answer"]), user
            assert f"documents/{question['document']}" in cited, user
        else:
            assert f"documents/{question['document']}" not in cited, user


def shown_text(passage: dict[str, Any]) -> str:
    return " ".join(span["text"] for span in passage["spans"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_path_with_a_real_model_server_cites_the_right_document_and_counts_as_the_server_does(
    office_with_model,
):
    for question in DEMO:
        reader = question["readers"][0]
        reply = office_with_model.ask(
            reader, question["question"], answerer="model", k=3
        )  # a short prompt is a fast one
        assert reply["answerer"] == "model"
        assert reply["model"] == "smollm2"
        assert reply["passages"][0]["path"] == f"documents/{question['document']}"
        if not reply["abstained"]:
            assert reply["usage"]["prompt_tokens"] == reply["usage"]["counted_prompt_tokens"] > 0
            numbers = {passage["n"] for passage in reply["passages"]}
            assert {citation["n"] for citation in reply["citations"]} <= numbers
