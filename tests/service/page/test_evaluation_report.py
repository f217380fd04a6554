"""The report of a measurement in a real browser: hostile text stays text, nothing is fetched, plots
are drawn.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from service.evaluation.cases import Case
from service.evaluation.outcomes import CaseOutcome
from service.evaluation.report import render_page as rendered
from service.evaluation.report import write_reports
from service.evaluation.results import Results
from service.evaluation.sets import QuestionSet

HOSTILE = (
    "</title></svg></style></p><script>document.title='owned'</script><img src=https://e.example/x onerror=alert(1)>"
    "<a href='javascript:alert(1)'>x</a>{{ 7 * 7 }}{% raw %}&lt;b&gt;\"'`"
)


def measured(text: str, label: str = "b", questions: int = 40) -> Results:
    cases = tuple(
        Case(
            id=f"{text}{n}", question=text, user="user:ada", answerable=n % 3 > 0, answers=(text,) if n % 3 else (),
            documents=frozenset({text}) if n % 3 else frozenset(),
        )
        for n in range(questions)
    )  # fmt: skip
    outcomes: dict[tuple[str, str], CaseOutcome] = {}
    for n, case in enumerate(cases):
        given: dict[str, Any] = {
            "abstained": False,
            "cited": (text,),
            "shown": (text,),
            "prompt_tokens": 100 + n,
        }
        outcomes["a", case.id] = CaseOutcome(text=f"No {n}.", seconds=n / 10, **given)
        outcomes[label, case.id] = CaseOutcome(
            text=text, seconds=n / 20, failure=text if n == 1 else None, **given
        )
    return Results(
        given=QuestionSet(name=text, cases=cases, total=900, lost=3),
        arms=("a", label),
        outcomes=outcomes,
        conditions={"model": text, "questions at a time": 4, "version": "1"},
        seed=0,
        at=datetime(2026, 1, 2, tzinfo=UTC),
        seconds=1.0,
    )


@pytest.fixture
def shown(chromium: Browser, tmp_path: Path) -> Iterator[tuple[Page, list[str]]]:
    _, file = write_reports(measured(HOSTILE, label=HOSTILE), tmp_path)
    page = chromium.new_context(
        color_scheme="dark", viewport={"width": 390, "height": 800}
    ).new_page()
    caused: list[str] = []
    page.on("console", lambda message: caused.append(message.text))
    page.on("request", lambda request: caused.append(request.url))
    page.on("dialog", lambda dialog: caused.append(dialog.message))
    page.goto(file.as_uri())
    yield page, [each for each in caused if each != file.as_uri()]
    page.context.close()


def test_hostile_text_stays_text_in_every_place(shown):
    page, caused = shown
    assert page.title() == f"Measured prompts: {HOSTILE}"
    assert page.locator("script, img, a, iframe, form, link").count() == 0
    assert (
        page.evaluate(
            "[...document.querySelectorAll('*')].some(e => e.getAttributeNames().some(n => n.startsWith('on')))"
        )
        is False
    )
    assert page.locator("article .said p").filter(has_text=HOSTILE).count() > 0
    assert page.locator("svg title").filter(has_text=HOSTILE).count() > 0
    assert caused == []


def test_it_fits_a_phone_and_draws_every_plot(shown):
    page, _ = shown
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("svg").count() == 4
    # two arms and their difference; nobody abstained
    assert page.locator("svg circle").count() == 3 * 7
    assert page.locator("polyline").count() == 4
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 27)"


def test_verdicts_and_what_went_wrong_stand_in_it():
    text = rendered(measured("Soup?"))
    assert '<li class="better">b is better than a on F1 by 1.00 [1.00, 1.00]</li>' in text
    assert "Failed: 1 of 80 answers. They count in no measure." in text
    assert (
        "3 questions of the set have an answer in documents that the catalog does not show" in text
    )
    assert "40 of 900 questions, 26 with an answer for who asks" in text
    assert '<td class="loud">1</td>' in text
    assert "LEAKS" not in text
