"""Somebody at the page, and what the tests do around them."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, Route, expect

from indexes.formats import PageKind
from indexes.model import Chunk, Document, PageMark, Readers
from service.llm.port import Prompt
from tests.world import TESTER

QUESTION = "When do salaries rise?"


@dataclass
class Person:
    """Somebody at the page.

    Whatever they do, nothing may leave for elsewhere and no policy may be violated.
    """

    page: Page
    house: Any
    url: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(20_000)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._console)
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))

    def _console(self, message: ConsoleMessage) -> None:
        if (
            message.type in ("error", "warning")
            and "server responded with a status of" not in message.text
        ):
            self.complaints.append(message.text)

    def enter(self, name: str = "ada") -> None:
        self.page.fill("#key", self.house.keys[name])
        self.page.press("#key", "Enter")
        expect(self.page.locator("#who")).to_have_text(name)

    def start(self, question: str = QUESTION) -> None:
        self.page.fill("#question", question)
        self.page.press("#question", "Enter")

    def ask(self, question: str = QUESTION) -> None:
        before = self.page.locator(".turn").count()
        self.start(question)
        expect(self.page.locator(".turn")).to_have_count(before + 1)
        expect(self.page.locator(".turn.busy")).to_have_count(0)

    @property
    def answer(self) -> Locator:
        """The newest one; quotes that stand below it are another."""
        return self.page.locator(".turn:last-child .answer").first

    @property
    def panel(self) -> Locator:
        return self.page.locator("#panel")

    def press(self, name: str) -> None:
        """Presses a button of the newest answer."""
        self.page.locator(".turn:last-child").get_by_role("button", name=name).click()

    def context(self) -> None:
        self.page.locator(".turn:last-child").get_by_role("button", name="What was read").click()

    def traces(self) -> str:
        """All that the page still holds: its nodes, its fields, its storage."""
        return str(
            self.page.evaluate(
                """async () => [document.documentElement.outerHTML, document.title, location.href,
                  ...[...document.querySelectorAll("input, textarea")].map((field) => field.value),
                  JSON.stringify({...sessionStorage}), JSON.stringify({...localStorage}),
                  JSON.stringify(history.state), document.cookie,
                  ...await Promise.all((await indexedDB.databases()).map(({name}) => new Promise((resolve, reject) => {
                    const asked = indexedDB.open(name);
                    asked.onerror = reject;
                    asked.onsuccess = () => {
                      const all = asked.result.transaction("conversations").objectStore("conversations").getAll();
                      all.onsuccess = () => { asked.result.close(); resolve(JSON.stringify(all.result)); };
                    };
                  })))].join("\\n")"""
            )
        )

    def overflow(self) -> int:
        """By how many pixels anything is wider than the window."""
        return int(
            self.page.evaluate(
                """() => Math.max(...["html", "body", "#panel", "#panel-body", "#turns"].map((name) => {
                  const node = document.querySelector(name);
                  return node.scrollWidth - node.clientWidth;
                }), document.documentElement.scrollWidth - innerWidth)"""
            )
        )


Sit = Callable[..., Person]


def shelve(
    house: Any,
    name: str,
    parts: list[str],
    *,
    title: str = "Handbook",
    section: tuple[str, ...] = ("Working here", "Time off"),
    kind: PageKind | None = "page",
    names: tuple[str | None, ...] = (None, None, None, None),
    allow: str = "group:hr",
) -> str:
    """Puts a document of several passages on the shelf, each on a page of its own, with other text
    between them.
    """
    text, chunks, marks = "", [], []
    for number, part in enumerate(parts):
        mark = PageMark(len(text), number + 11, names[number])
        start = len(text)
        marks.append(mark)
        chunks.append(
            Chunk(
                ordinal=number * 2, text=part, start=start, end=start + len(part), section=section, pages=(mark,),
                embedded=f"{title}\n{part}",
            )
        )  # fmt: skip
        text += f"{part}\n\nText between the passages 🙂.\n\n"
    made = Document(
        uri=f"file:///house/{name}", path=name, title=title, media_type="text/plain", text=text, chunks=tuple(chunks),
        content_hash=f"hash of {text}", readers=Readers(allow=frozenset({allow})), page_kind=kind,
    )  # fmt: skip
    vectors = house.embedder.passages([chunk.embedded for chunk in made.chunks])
    return str(
        house.catalog.documents.put(
            made, {g.id: vectors for g in house.catalog.generations.writable()}, by=TESTER
        )
    )


def scripted(
    person: Person, events: list[tuple[str, Any]], status: int = 200, **headers: str
) -> None:
    """The next answers come from here instead of from the service."""
    frames = "".join(f"event: {name}\ndata: {json.dumps(payload)}\n\n" for name, payload in events)

    def fulfil(route: Route) -> None:
        kind = "text/event-stream" if status == 200 else "application/problem+json"
        body = frames if status == 200 else json.dumps(events[0][1])
        route.fulfill(status=status, body=body, headers={"Content-Type": kind} | headers)

    person.page.route("**/ask", fulfil)


def said(prompt: Prompt) -> str:
    return "\n".join(message.content for message in prompt.messages or ())


def label(prompt: Prompt, word: str) -> str:
    """The number of the passage that holds a word, as the model sees it."""
    before = said(prompt).split(word)[0]
    return str(re.findall(r"\[(\d+)\]", before)[-1])


def wait_until(
    true: Callable[[], bool], person: Person | None = None, within_s: float = 10.0
) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        if person:
            person.page.wait_for_timeout(20)
        else:
            time.sleep(0.02)


def press_until(person: Person, key: str, selector: str) -> None:
    for _ in range(30):
        person.page.keyboard.press(key)
        if person.page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"{key} never leads to {selector}")
