"""What goes wrong is said in words, with what to do about it."""

import json
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from indexes.errors import GeneratorBroken, GeneratorUnavailable
from service.testing.models import words_without_loop
from tests.service.page.person import Person, Sit, scripted

pytestmark = pytest.mark.slow


def test_a_model_that_is_down_is_said_with_when_to_try_again_and_quotes_as_a_way_out(
    sit: Sit,
) -> None:
    person = sit()
    person.page.clock.install()
    person.enter()
    person.house.model.failure = GeneratorUnavailable("It refuses.")
    person.ask()
    problem = person.page.locator(".problem")
    expect(problem).to_contain_text("The language model cannot be reached.")
    waiting = problem.get_by_role("button", name="Try again in 5 s")
    expect(waiting).to_have_attribute("aria-disabled", "true")
    problem.get_by_role("button", name="Answer with quotes instead").click()
    expect(person.page.locator(".tag strong")).to_have_text("Quotes")
    expect(person.answer).to_contain_text("Salaries rise in March")
    person.ask("Once more: when do salaries rise?")
    person.house.model.failure = None
    person.page.clock.run_for(6_000)
    problem.get_by_role("button", name="Try again").click()
    expect(person.page.locator(".turn")).to_have_count(2)
    expect(person.page.locator(".problem")).to_have_count(0)
    expect(person.answer).to_contain_text("March")


def test_quotes_that_stand_in_for_the_model_come_with_a_notice(ada: Person) -> None:
    def allow(route: Route) -> None:
        route.continue_(
            post_data=json.dumps({**(route.request.post_data_json or {}), "fallback": "quotes"})
        )

    ada.page.route("**/ask", allow)
    ada.house.model.failure = GeneratorUnavailable("It refuses.")
    ada.ask()
    expect(ada.page.locator(".labels .aside")).to_contain_text("The language model did not answer")


def test_an_answer_that_breaks_off_keeps_what_was_said_and_says_so(ada: Person) -> None:
    ada.house.model.reply = "Salaries rise in March. " + words_without_loop(20)
    ada.house.model.failure, ada.house.model.fail_after = GeneratorBroken("It died."), 12
    ada.ask()
    expect(ada.answer).to_contain_text("Salaries rise")
    expect(ada.page.locator(".problem-title")).to_have_text(
        "The language model did not give an answer."
    )


@pytest.mark.parametrize(
    ("status", "body", "headers", "title", "button"),
    [
        (429, {"type": "/problems/rate"}, {"Retry-After": "3"}, "Too many questions at once.", "Try again in 3 s"),
        (503, {"type": "/problems/busy", "retry_after_s": 2}, {}, "The service is busy.", "Try again in 2 s"),
        (413, {"type": "/problems/body-too-large"}, {}, "That is more than the service accepts.", "Try again"),
        (502, "<html>Bad gateway</html>", {}, "Something went wrong inside the service.", "Try again"),
        (418, {"type": "/problems/teapot", "title": "I am <b>a teapot</b>."}, {}, "I am <b>a teapot</b>.", "Try again"),
    ],
)  # fmt: skip
def test_each_refusal_is_said_in_words_with_what_to_do(
    ada: Person, status: int, body: Any, headers: dict[str, str], title: str, button: str
) -> None:
    scripted(ada, [("", body)], status, **headers)
    ada.ask()
    expect(ada.page.locator(".problem-title")).to_have_text(title)
    expect(ada.page.locator(".problem .secondary").first).to_have_text(button)


def test_a_question_that_is_too_long_is_said_with_the_numbers(ada: Person) -> None:
    ada.ask("word " * 2_000)
    expect(ada.page.locator(".problem-title")).to_have_text("The question is too long.")
    expect(ada.page.locator(".problem")).to_contain_text("at most 8000 are accepted")


def test_a_service_that_cannot_be_reached_is_said(ada: Person) -> None:
    ada.page.route("**/ask", lambda route: route.abort())
    ada.ask()
    expect(ada.page.locator(".problem-title")).to_have_text("The service cannot be reached.")
    ada.complaints.clear()  # the browser's own word about it


def test_a_stream_that_ends_too_early_or_says_nonsense_is_not_taken_for_an_answer(
    ada: Person,
) -> None:
    scripted(ada, [("token", {"text": "Half of "})])
    ada.ask()
    expect(ada.page.locator(".problem-title")).to_have_text("The answer broke off.")
    ada.page.unroute("**/ask")
    ada.page.route("**/ask", lambda route: route.fulfill(body="event: token\ndata: {nonsense\n\n"))
    ada.ask()
    expect(ada.page.locator(".turn:last-child .problem-title")).to_have_text(
        "The answer broke off."
    )
