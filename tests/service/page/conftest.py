"""A real Chromium, and people in front of it."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from service.testing.loopback import Loopback
from tests.service.page.person import Person, Sit

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--disable-gpu",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-pings",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        missing = "No Chromium is installed, so the page is not tested; run: make setup-browser"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def sit(chromium: Browser, house: Any) -> Iterator[Sit]:
    """Opens the page for another person; at the end looks at what each of them caused."""
    people: list[Person] = []
    with Loopback(house.app, "on") as server:

        def sat(**options: Any) -> Person:
            context = chromium.new_context(
                **{"locale": "en-GB", "viewport": {"width": 1280, "height": 800}} | options
            )
            person = Person(context.new_page(), house, server.url)
            people.append(person)
            person.page.goto(server.url)
            return person

        yield sat
        for person in people:
            person.page.context.close()
    for person in people:
        assert person.complaints == []
        assert [
            url for url in person.requests if not url.startswith((f"{person.url}/", "blob:"))
        ] == []


@pytest.fixture
def ada(sit: Sit) -> Person:
    person = sit()
    person.enter()
    return person
