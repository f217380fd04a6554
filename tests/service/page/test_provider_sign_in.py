"""Signing in on the page at a real identity provider, in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from indexes.model import Readers
from indexes.settings import IdentityProvider as ProviderSettings
from service.app import create_app
from service.testing.loopback import Loopback
from tests.service.conftest import House, readers
from tests.service.oidc.identity_provider import (
    AUDIENCE,
    IdentityProvider,
    free_port,
    identity_provider,
)
from tests.world import TESTER

pytestmark = pytest.mark.slow

QUESTION = {"question": "When do salaries rise, and what is soup?", "k": 9}


class Place:
    """The service at an address that the provider knows."""

    def __init__(self, house: House, corp: IdentityProvider, url: str) -> None:
        self.house, self.corp, self.url = house, corp, url


@pytest.fixture
def place(house: Any, tmp_path: Path) -> Iterator[Place]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    groups = {"ada": ["staff"], "bob": ["temps"]}
    with identity_provider(tmp_path / "corp", groups, [url]) as corp:
        for user in ("ada", "bob"):
            house.catalog.subjects.link(user, "corp", corp.issuer, user, by=TESTER)
        for group in ("corp/staff", "corp/temps"):
            house.catalog.people.add_group(group, external=True, by=TESTER)
        house.put("contract", "Contracts and soup.", readers("group:corp/staff"))
        denied = Readers(allow=frozenset({"public"}), deny=frozenset({"group:corp/temps"}))
        house.put("wages", "Wages and soup.", denied)
        provider = ProviderSettings(
            name="corp",
            issuer=corp.issuer,
            audience=AUDIENCE,
            client_id="page",
            client_secret="page secret",
            sign_in_scope="openid groups",
        )
        settings = house.settings.model_copy(
            update={"identity_providers": (provider,), "public_url": url}
        )
        app = create_app(
            settings, embedder=house.embedder, model=house.model, catalog=house.catalog
        )
        with Loopback(app, "on", port=port):
            yield Place(house, corp, url)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(locale="en-GB")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def sign_in(page: Page, place: Place, name: str) -> None:
    page.goto(place.url)
    page.get_by_role("link", name="Sign in with corp").click()
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", "any")
    page.click("button[type=submit]")
    page.get_by_role("button", name="Continue").click()


def fetch(page: Page, address: str, body: Any = None) -> tuple[int, Any]:
    """As the page's own code asks."""
    status, told = page.evaluate(
        """async ([address, body]) => {
          const reply = await fetch(address, body === null ? {} : {
            method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
          return [reply.status, await reply.json().catch(() => null)];
        }""",
        [address, body],
    )
    return status, told


def titles(page: Page) -> set[str]:
    status, told = fetch(page, "/search", QUESTION)
    assert status == 200
    return {hit["title"] for hit in told["passages"]}


def test_who_signs_in_at_the_provider_asks_without_a_key(page: Page, place: Place) -> None:
    sign_in(page, place, "ada")
    expect(page.locator("#who")).to_have_text("ada")
    assert page.url == f"{place.url}/"
    assert titles(page) == {"Salaries", "Menu", "Contract", "Wages"}
    page.fill("#question", "When do salaries rise?")
    page.press("#question", "Enter")
    expect(page.locator(".turn:last-child .answer")).to_contain_text("March")
    page.reload()
    expect(page.locator("#who")).to_have_text("ada")
    assert page.evaluate("sessionStorage.length") == 0
    assert page.evaluate("document.cookie") == "__Host-clearance-page=1"
    kept = {cookie["name"]: cookie for cookie in page.context.cookies(place.url)}
    session = kept["__Host-clearance"]
    assert (session["httpOnly"], session["secure"], session["sameSite"]) == (True, True, "Strict")
    assert "__Host-clearance-sign-in" not in kept


def test_the_provider_says_the_groups(page: Page, place: Place) -> None:
    sign_in(page, place, "bob")
    expect(page.locator("#who")).to_have_text("bob")
    assert titles(page) == {"Menu", "Roadmap"}


def test_who_is_not_known_here_is_told_so(page: Page, place: Place) -> None:
    sign_in(page, place, "mallory")
    expect(page.locator("#key-problem")).to_contain_text("did not succeed")
    expect(page.locator("#composer")).to_be_hidden()
    assert "__Host-clearance" not in [cookie["name"] for cookie in page.context.cookies()]


def test_signing_out_ends_the_session_here_and_at_the_provider(page: Page, place: Place) -> None:
    sign_in(page, place, "ada")
    expect(page.locator("#who")).to_have_text("ada")
    (secret,) = (
        cookie["value"]
        for cookie in page.context.cookies(place.url)
        if cookie["name"] == "__Host-clearance"
    )
    page.click("#sign-out")
    page.wait_for_url(f"{place.corp.issuer}/**")
    page.get_by_role("button", name="Yes").click()
    page.wait_for_url(f"{place.url}/**")
    expect(page.locator("#key")).to_be_visible()
    assert fetch(page, "/whoami")[0] == 401
    headers = {"Cookie": f"__Host-clearance={secret}", "Sec-Fetch-Site": "same-origin"}
    assert httpx2.get(f"{place.url}/whoami", headers=headers, trust_env=False).status_code == 401
    page.get_by_role("link", name="Sign in with corp").click()
    expect(page.locator("input[name=login]")).to_be_visible()


def test_a_session_counts_only_for_what_the_page_sends(page: Page, place: Place) -> None:
    sign_in(page, place, "ada")
    expect(page.locator("#who")).to_have_text("ada")
    cookies = page.context.cookies(place.url)
    cookie = "; ".join(f"{each['name']}={each['value']}" for each in cookies)

    def status(**headers: str) -> int:
        sent = {"Cookie": cookie} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return httpx2.get(f"{place.url}/whoami", headers=sent, trust_env=False).status_code

    assert status(Sec_Fetch_Site="same-origin") == 200
    assert status(Sec_Fetch_Site="same-origin", Origin=place.url) == 200
    for wrong in ("cross-site", "same-site", "none", "", "same-origin, none"):
        assert status(Sec_Fetch_Site=wrong) == 401
    for origin in ("https://evil.test", "null", place.corp.issuer, place.url + "0"):
        assert status(Sec_Fetch_Site="same-origin", Origin=origin) == 401
    assert status() == 401
    twice = {"Sec-Fetch-Site": "same-origin", "Cookie": f"{cookie}; __Host-clearance=other"}
    assert httpx2.get(f"{place.url}/whoami", headers=twice, trust_env=False).status_code == 401
    page.goto(f"{place.url}/whoami")
    assert "not-authenticated" in page.content(), (
        "an address that a person opens is no request of it"
    )


def test_another_site_gets_nothing_with_the_session(page: Page, place: Place) -> None:
    sign_in(page, place, "ada")
    expect(page.locator("#who")).to_have_text("ada")
    other = page.context.new_page()
    other.goto(place.url.replace("127.0.0.1", "localhost") + "/livez")
    reached = other.evaluate(
        """(url) => fetch(url, {credentials: "include"}).then(r => r.text(), () => "refused")""",
        f"{place.url}/whoami",
    )
    assert "user:ada" not in reached
    sent = other.evaluate(
        """(url) => fetch(url, {method: "POST", mode: "no-cors", credentials: "include"})
             .then(() => "sent", () => "refused")""",
        f"{place.url}/sign-out",
    )
    assert sent in ("sent", "refused")
    assert fetch(page, "/whoami")[0] == 200, "nobody else signs her out"


def test_whoever_loses_the_right_to_ask_loses_the_session(page: Page, place: Place) -> None:
    sign_in(page, place, "ada")
    expect(page.locator("#who")).to_have_text("ada")
    place.house.catalog.people.disable_user("ada", by=TESTER)
    page.fill("#question", "When do salaries rise?")
    page.press("#question", "Enter")
    expect(page.locator("#key-problem")).to_contain_text("sign in again")
    place.house.catalog.people.enable_user("ada", by=TESTER)
    assert fetch(page, "/whoami")[0] == 200
    place.house.catalog.subjects.unlink("ada", by=TESTER)
    assert fetch(page, "/whoami")[0] == 401


def test_a_way_back_that_was_not_begun_here_leads_nowhere(page: Page, place: Place) -> None:
    with httpx2.Client(base_url=place.url, trust_env=False) as http:
        begun = http.get("/sign-in", params={"provider": "corp"})
        assert begun.status_code == 303
        assert begun.headers["location"].startswith(f"{place.corp.issuer}/auth?")
        sealed = begun.headers["set-cookie"].partition(";")[0]
        state = httpx2.URL(begun.headers["location"]).params["state"]
        for cookie, query in (
            ("", {"state": state, "code": "x"}),
            (sealed, {"state": "other", "code": "x"}),
            (sealed, {"code": "x"}),
            (sealed, {"state": state}),
            (sealed, {"state": state, "code": "x"}),
            (sealed, {"state": state, "code": "x", "iss": "https://evil.test"}),
            (sealed[:-2], {"state": state, "code": "x"}),
            (sealed.partition("=")[0] + "=eyJhbGciOiJub25lIn0.e30.", {"state": state}),
        ):
            reply = http.get("/sign-in/callback", params=query, headers={"Cookie": cookie})
            assert (reply.status_code, reply.headers["location"]) == (303, "../#sign-in-failed")
            assert "__Host-clearance=" not in reply.headers["set-cookie"]
        assert http.get("/sign-in", params={"provider": "other"}).status_code == 404
        assert http.post("/sign-out").status_code == 401
