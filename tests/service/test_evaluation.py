"""`clearance eval` as an operator meets it: real search, real templates, a model that says what it
is told to.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient
from typer.testing import Result

from indexes import embedder as embedding
from indexes.catalog.template_choice import TemplateText
from indexes.errors import NotFound
from indexes.model import Actor, Readers
from indexes.search.searcher import Searcher
from indexes.testing import HashingEmbedder
from service.answering.meaning import SAME
from service.cli.serve import app
from service.llm.port import Prompt
from service.testing.model_server import FakeVllm
from service.testing.models import ScriptedModel
from tests.service.conftest import House, readers, run_command
from tests.world import TESTER

REPOSITORY = Path(__file__).resolve().parents[2]
ROOT = Actor("user:root")
PAY = {"question": "When do salaries rise?", "answers": ["March"], "documents": ["salaries.txt"]}
SOUP = {
    "question": "What soup is there on Mondays?",
    "answers": ["soup"],
    "documents": ["menu.txt"],
}
QUESTIONS = [
    {"id": "pay", **PAY, "user": "ada"},
    {"id": "soup", **SOUP, "user": "bob"},
    {"id": "hidden", **PAY, "user": "bob"},
]
TERSE = """\
style: chat
language: en
variables: [question, passages, boundary, no_answer]
system: "Be terse. Else say: {{ no_answer }}"
user: |
  {{ boundary }}
  {% for passage in passages %}
  [{{ passage.n }}] {{ passage.text }}
  {% endfor %}
  {{ boundary }}
  {{ question }}
no_answer: Not there.
"""


def reply(prompt: Prompt) -> str:
    """A model that knows two answers and is terse where it is told to be."""
    assert prompt.messages is not None
    system, asked = prompt.messages[0].content, prompt.messages[-1].content
    if "heliotrope" in asked and "salaries rise" in asked:
        return (
            "March [1]."
            if "terse" in system
            else "All salaries rise in March, as it says there [1]."
        )
    return "There is soup [1]." if "What soup" in asked else "Nobody knows [1]."


class Measured:
    """The command, its set, its files and what it asked of the model."""

    def __init__(self, house: House, folder: Path, server: FakeVllm) -> None:
        self.house, self.folder, self.server = house, folder, server
        self.out = folder / "out"
        self.set = self.write("questions.jsonl", QUESTIONS)
        self.terse = folder / "terse.yaml"
        self.terse.write_text(TERSE, encoding="utf-8")

    def write(self, name: str, rows: list[Any]) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def run(self, *arguments: object, code: int = 0, place: Path | None = None) -> Result:
        given = ["eval", str(place or self.set), "--out", str(self.out), *map(str, arguments)]
        result = run_command(app, given)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    def asked(self, *arguments: object, code: int = 0) -> int:
        """How many answers one run took from the model."""
        before = len(self.server.model.calls)
        self.run(*arguments, code=code)
        return len(self.server.model.calls) - before

    @property
    def results(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / "results.json").read_text(encoding="utf-8"))
        return found

    def figure(self, arm: str, key: str) -> float:
        return next(
            float(each["estimates"][key]["value"])
            for each in self.results["arms"]
            if each["arm"] == arm
        )


@pytest.fixture
def measured(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Measured]:
    monkeypatch.setattr(embedding, "load", lambda settings, say=None, **_: HashingEmbedder())
    monkeypatch.setenv("CLEARANCE_HOME", str(house.settings.home))
    with FakeVllm(ScriptedModel(reply)) as server:
        monkeypatch.setenv("CLEARANCE_LLM_URL", server.url)
        yield Measured(house, tmp_path, server)


# --- what it tells ------------------------------------------------------------------------------


def test_templates_are_measured_before_they_are_saved_and_compared_with_a_verdict(measured):
    result = measured.run("--template", "chat-en", "--template", measured.terse, "--quotes")
    assert "questions: 3 questions, 2 with an answer for who asks" in result.stdout
    assert "9 of 9 answers" in result.stderr
    assert "chat-en" in result.stdout
    assert "terse.yaml is worse" not in result.stdout
    assert (
        "no difference shown between terse.yaml and chat-en on citation recall: 0.00 [0.00, 0.00]"
        in result.stdout
    )
    # one of `there is soup` is right
    assert measured.figure("terse.yaml", "f1") == pytest.approx((1 + 1 / 2) / 2)
    assert measured.figure("chat-en", "f1") == pytest.approx((1 / 5 + 1 / 2) / 2)
    assert measured.figure("terse.yaml", "contained") == 1
    assert measured.figure("terse.yaml", "citation_recall") == 1
    # it should have kept silent before bob
    assert measured.figure("terse.yaml", "abstention_recall") == 0
    assert measured.figure("quotes", "latency") > 0
    assert measured.results["leaks"] == measured.results["failures"] == 0
    assert [arm["arm"] for arm in measured.results["arms"]] == ["chat-en", "terse.yaml", "quotes"]


def test_a_citation_across_languages_is_judged_as_the_service_judges_it(measured, monkeypatch):
    heard: list[str] = []
    embed = HashingEmbedder.passages

    def passages(self: HashingEmbedder, texts: Sequence[str]) -> NDArray[np.float32]:
        heard.extend(texts)
        return embed(self, texts)

    monkeypatch.setitem(SAME, "hashing", 0.5)
    monkeypatch.setattr(HashingEmbedder, "passages", passages)
    claim, soup = "食堂供应汤。", {"question": SOUP["question"]}
    measured.house.model.reply = measured.server.model.reply = f"{claim}[1]"
    with TestClient(measured.house.app) as http:
        http.post("/ask", json=soup, headers=measured.house.headers("bob"))
    by_the_service = list(heard)
    heard.clear()
    measured.run("--as", "bob", place=measured.write("soup.jsonl", [SOUP]))
    assert claim in by_the_service
    assert heard == by_the_service


def test_the_reports_and_the_answers_are_for_their_owner_alone(measured):
    (measured.out).mkdir(mode=0o755)
    (measured.out / "answers.jsonl").touch(mode=0o644)
    (measured.out / "results.json").touch(mode=0o644)
    measured.run()
    for name in ("answers.jsonl", "results.json", "report.html"):
        file = measured.out / name
        assert file.stat().st_mode & 0o777 == 0o600, file
        assert file.stat().st_size > 0


def test_without_a_model_quotes_are_measured(measured, monkeypatch):
    monkeypatch.delenv("CLEARANCE_LLM_URL")
    measured.run()
    assert [arm["arm"] for arm in measured.results["arms"]] == ["quotes"]
    assert measured.figure("quotes", "contained") > 0
    result = measured.run("--template", "chat-en", code=2)
    assert "No language model is configured" in result.stderr


def test_everything_can_be_asked_as_one_user(measured):
    measured.run("--as", "bob", "--quotes")
    answers = {each["id"]: each for each in measured.results["answers"]}
    assert {each["user"] for each in answers.values()} == {"user:bob"}
    assert [answers[name]["answerable"] for name in ("pay", "soup", "hidden")] == [
        False,
        True,
        False,
    ]
    assert "salaries.txt" not in json.dumps([each["by_arm"] for each in answers.values()])


def test_without_a_template_each_asker_gets_what_is_active_for_him(measured):
    save(measured.house, "support", "user:ada", system="Be terse. {{ no_answer }}")
    measured.house.catalog.templates.activate("support", 1, audience="user:ada", by=ROOT)
    measured.run()
    used = {
        each["id"]: each["by_arm"]["active"]["template"] for each in measured.results["answers"]
    }
    assert used == {"pay": "support@1", "soup": "chat-en@1", "hidden": "chat-en@1"}


def test_the_operator_measures_any_template_by_name_or_version_whoever_may_use_it(measured):
    save(measured.house, "support", "user:nobody", system="One. {{ no_answer }}")
    save(measured.house, "support", system="Be terse. {{ no_answer }}")
    measured.run("--template", "support", "--template", "support@1")
    used = measured.results["answers"][0]["by_arm"]
    assert {arm: (each["template"], each["text"]) for arm, each in used.items()} == {
        "support": ("support@2", "March [1]."),
        "support@1": ("support@1", "All salaries rise in March, as it says there [1]."),
    }


def save(house: House, name: str, *allow: str, system: str) -> None:
    shown = "{{ boundary }}\n{% for p in passages %}\n[{{ p.n }}] {{ p.text }}\n{% endfor %}\n{{ boundary }}\n"
    text = TemplateText(
        variables=(), system=system, user=shown + "{{ question }}", no_answer="Not there."
    )
    given = Readers(allow=frozenset(allow)) if allow else None
    house.catalog.templates.save(name, "chat", "en", text, given, by=ROOT)


# --- what is not asked again --------------------------------------------------------------------


def test_follow_ups_are_asked_with_what_was_said_before_and_measured_by_themselves(measured):
    history = [
        {"role": "user", "content": "What soup is there on Mondays?"},
        {"role": "assistant", "content": "There is soup [1]."},
    ]
    again = {**PAY, "id": "again", "user": "ada", "history": history}
    place = measured.write("talk.jsonl", [*QUESTIONS, again])
    told = measured.run(place=place).output
    assert any("There is soup (1)" in repr(call.prompt) for call in measured.server.model.calls)
    assert "follow-ups: right document shown" in told
    assert "without history: contained answer" in told
    (arm,) = measured.results["arms"]
    counted = {key: each["questions"] for key, each in arm["estimates"].items()}
    assert (counted["shown_follow_up"], counted["shown_alone"]) == (1, 2)
    assert measured.figure(arm["arm"], "contained_follow_up") == 1.0
    assert "after user: “What soup" in (measured.out / "report.html").read_text(encoding="utf-8")
    without = measured.write("talk.jsonl", [*QUESTIONS, {**again, "history": []}])
    assert "follow-ups" not in measured.run(place=without).output


def test_what_was_asked_is_not_asked_again(measured):
    both = ("--template", "chat-en", "--template", measured.terse)
    assert measured.asked(*both) == 6
    first = measured.results["arms"]
    assert measured.asked(*both) == 0
    assert measured.results["arms"] == first
    assert measured.asked("--template", "chat-en", "--quotes") == 0


@pytest.mark.parametrize("other", [("--k", "1"), ("--mode", "dense")])
def test_another_way_to_ask_is_asked_anew(measured, other):
    assert measured.asked("--template", "chat-en") == 3
    assert measured.asked("--template", "chat-en", *other) == 3
    assert measured.asked("--template", "chat-en", *other) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("CLEARANCE_LLM_TEMPERATURE", "0.5"), ("CLEARANCE_LLM_ANSWER_TOKENS", "9")],
)
def test_another_setting_that_shapes_answers_is_asked_anew(measured, monkeypatch, name, value):
    assert measured.asked("--template", "chat-en") == 3
    monkeypatch.setenv(name, value)
    assert measured.asked("--template", "chat-en") == 3
    assert measured.asked("--template", "chat-en") == 0


def test_another_threshold_of_abstention_is_asked_anew_and_holds(measured):
    assert measured.asked("--template", "chat-en") == 3
    generations = measured.house.catalog.generations
    kept = {"hybrid": {"en": {"threshold": 1.0}}}
    generations.keep_setting(generations.active(), "abstention", kept, by=TESTER)
    measured.run("--template", "chat-en")
    assert measured.results["arms"][0]["abstained"] > 0


def test_a_changed_template_is_asked_anew_and_the_others_are_not(measured):
    both = ("--template", "chat-en", "--template", measured.terse)
    measured.run(*both)
    measured.terse.write_text(TERSE.replace("Be terse", "Be very terse"), encoding="utf-8")
    assert measured.asked(*both) == 3


def test_other_readers_are_another_view_and_are_asked_anew(measured):
    documents = measured.house.catalog.documents
    assert measured.asked("--template", "chat-en") == 3
    documents.relabel("file:///house/salaries.txt", readers("group:hr", "group:eng"), by=TESTER)
    assert measured.asked("--template", "chat-en") == 2  # both of bob's: ada sees what she saw
    assert [each["answerable"] for each in measured.results["answers"]] == [True, True, True]
    documents.relabel("file:///house/roadmap.txt", readers("group:nobody"), by=TESTER)
    # bob now sees what ada sees, and she has asked about pay
    assert measured.asked("--template", "chat-en") == 1


@pytest.mark.parametrize(
    "end", [b'{"key": "ab', b"\x00\xff\n", b'{"key": 3}\n[]\n{"key": "x", "text": 3}\n']
)
def test_a_torn_line_is_as_if_it_were_not_there(measured, end):
    measured.run("--template", "chat-en")
    kept = measured.out / "answers.jsonl"
    lines = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join(lines[:2]) + end)
    assert measured.asked("--template", "chat-en") == 1
    assert measured.asked("--template", "chat-en") == 0


COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the shell of these tests does with Ctrl-C
from indexes import embedder
from indexes.testing import HashingEmbedder
embedder.load = lambda settings, say=None, **_: HashingEmbedder()
from service.cli.serve import app
app(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_a_run_that_was_stopped_goes_on_where_it_was(measured, how, code):
    many = [
        {"question": f"When do salaries rise, {n}?", "answers": ["March"], "user": "ada"}
        for n in range(24)
    ]
    place, kept = measured.write("many.jsonl", many), measured.out / "answers.jsonl"
    measured.server.model.delay_s = 0.02
    given = [
        "eval",
        str(place),
        "--out",
        str(measured.out),
        "--template",
        "chat-en",
        "--concurrency",
        "2",
    ]
    command = [sys.executable, "-c", COMMAND, *given]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    wait_for(lambda: kept.exists() and kept.read_bytes().count(b"\n") >= 4)
    process.send_signal(how)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert "Traceback" not in told
    if code == 130:
        assert "run the same command again" in told
    done = kept.read_bytes().count(b"\n")
    assert 4 <= done < 24
    measured.server.model.delay_s = 0
    before = len(measured.server.model.calls)
    result = measured.run("--template", "chat-en", "--concurrency", "2", place=place)
    assert len(measured.server.model.calls) - before == 24 - done
    assert f"{done} known before" in result.stderr
    assert measured.figure("chat-en", "contained") == 1


def wait_for(happened: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


# --- what goes wrong ----------------------------------------------------------------------------


def test_a_question_without_an_answer_is_a_counted_line_and_is_asked_again_next_time(measured):
    def broken(prompt: Prompt) -> str:
        if "What soup" in str(prompt):
            raise ConnectionResetError
        return reply(prompt)

    measured.server.model.reply = broken
    result = measured.run("--template", "chat-en", "--quotes", code=1)
    assert "failed  chat-en  soup  " in result.stderr
    assert "1 failed" in result.stderr
    assert "Failed: 1 of 6 answers. They count in no measure." in result.stdout
    assert measured.results["failures"] == 1
    measured.server.model.reply = reply
    assert measured.asked("--template", "chat-en", "--quotes") == 1
    assert measured.results["failures"] == 0


def test_a_server_that_is_not_there_is_said_before_anything_is_asked(measured, monkeypatch):
    monkeypatch.setenv("CLEARANCE_LLM_URL", "http://127.0.0.1:9")
    result = measured.run(code=1)
    assert "error: The model server cannot be reached" in result.stderr
    assert not (measured.out / "results.json").exists()


def test_a_server_that_refuses_everything_ends_the_run(measured):
    many = [
        {"question": f"When do salaries rise, {n}?", "answerable": True, "user": "ada"}
        for n in range(30)
    ]
    measured.server.misbehaviour = "rejecting"
    result = measured.run(place=measured.write("many.jsonl", many), code=1)
    assert result.stderr.count("failed  active") < 30
    assert "goes on where it stopped" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--template", "nobody"), "There is no template 'nobody'"),
        (("--template", "chat-en@7"), "There is no template 'chat-en'"),
        (("--template", "base-en"), "for completion models"),
        (("--template", "a b"), "names no template"),
        (("--template", "nowhere.yaml"), "nowhere.yaml cannot be read"),
        (("--template", "chat-en", "--template", "chat-en"), "named twice"),
        (("--as", "eve"), "does not know user:eve"),
        (("--k", "5000"), "more than 100"),
        (("--model", "another"), "no language model by that name"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_reason(measured, arguments, said):
    result = measured.run(
        *arguments, code=1 if "There is no" in said or "by that name" in said else 2
    )
    assert said in result.stderr
    assert not measured.server.model.calls


def test_wrong_use_of_a_set_or_a_home_is_refused(measured, monkeypatch, tmp_path):
    bad = measured.write("bad.jsonl", [{"question": "Q", "answer": "x", "user": "ada"}])
    assert "bad.jsonl, line 1: answer" in measured.run(place=bad, code=2).stderr
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "cannot be used" in measured.run("--out", tmp_path / "file", code=2).stderr
    monkeypatch.setenv("CLEARANCE_HOME", str(tmp_path / "empty"))
    assert "There is no catalog" in measured.run(code=2).stderr
    assert not (tmp_path / "empty").exists()


# --- leaks --------------------------------------------------------------------------------------


def labelled(measured: Measured) -> Path:
    """A set whose overlay closes the menu to bob; the catalog has it open for everybody."""
    measured.write(
        "kitchen/queries.jsonl", [{"_id": "q", "text": "What soup is there?", "answerable": True}]
    )
    (measured.folder / "kitchen" / "qrels.tsv").write_text("q\tmenu.txt\t1\n", encoding="utf-8")
    measured.write("kitchen/acl.jsonl", [{"doc_id": "menu.txt", "groups": ["hr"]}])
    people = [{"user_id": "ada", "groups": ["hr"]}, {"user_id": "bob", "groups": []}]
    return measured.write("kitchen/users.jsonl", people).parent


def test_what_the_set_does_not_allow_counts_as_a_leak_loudly(measured):
    place = labelled(measured)
    measured.run("--as", "ada", place=place)
    assert measured.results["leaks"] == 0
    result = measured.run("--as", "bob", "--quotes", place=place, code=1)
    assert "LEAKS: 2 documents were shown to somebody who may not read them" in result.stdout
    assert measured.results["leaks"] == 2
    assert measured.results["answers"][0]["by_arm"]["active"]["leaked"] == ["menu.txt"]
    assert "LEAKS: 2" in (measured.out / "report.html").read_text(encoding="utf-8")


def test_what_the_asker_cannot_open_counts_as_a_leak(measured, monkeypatch):
    def forbidden(*_: object) -> None:
        raise NotFound

    monkeypatch.setattr(Searcher, "passage", forbidden)
    result = measured.run("--template", "chat-en", code=1)
    assert "LEAKS" in result.stdout
    assert measured.results["leaks"] > 0
