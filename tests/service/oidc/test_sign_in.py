"""What the sign-in of the page needs to know, and how it speaks to a provider."""

import base64
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest
from pydantic import SecretStr

from indexes.errors import BadConfiguration, ProviderUnavailable
from indexes.settings import IdentityProvider, Settings
from service.http.cookies import comes_from_the_page, cookie_of, session_of
from service.http.oidc.provider import Provider
from service.http.oidc.sign_in import page_home, page_origin

ISSUER = "https://corp.test"


def settings(public_url: str | None, **more: Any) -> Settings:
    provider = IdentityProvider(name="corp", issuer=ISSUER, audience="us", **more)
    return Settings(home=Path("x"), identity_providers=(provider,), public_url=public_url)


def test_the_page_must_know_where_it_is() -> None:
    for wrong in (None, "", "http://ask.test", "ask.test", "https://ask.test/?x=1"):
        with pytest.raises(BadConfiguration, match="known where"):
            page_home(settings(wrong, client_id="page"))
    assert page_origin(settings(None)) is None
    assert page_origin(settings("http://ask.test")) is None, "nobody signs in on it"
    there = settings("https://Ask.test:8443/docs/", client_id="page")
    assert page_home(there) == "https://Ask.test:8443/docs"
    assert page_origin(there) == "https://ask.test:8443"
    assert page_origin(settings("https://ask.test:443", client_id="page")) == "https://ask.test"


def test_the_secret_of_the_page_goes_as_the_provider_wants_it() -> None:
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={"id_token": "x"})

    def form_sent(methods: list[str] | None, **more: Any) -> httpx2.Request:
        given = {"client_id": "the page", "client_secret": SecretStr("a&b"), **more}
        known: dict[str, Any] = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        known |= {"token_endpoint_auth_methods_supported": methods} if methods else {}
        provider = Provider(
            IdentityProvider(name="corp", issuer=ISSUER, audience="us", **given),
            fetch=lambda address: known if "well-known" in address else {"keys": []},
        )
        provider._client = httpx2.Client(transport=httpx2.MockTransport(answer))
        assert provider.send_form(f"{ISSUER}/token", {"code": "c"}) == {"id_token": "x"}
        return sent[-1]

    posted = form_sent(["client_secret_basic", "client_secret_post"])
    assert parse_qs(posted.read().decode()) == {"code": ["c"], "client_secret": ["a&b"]}
    assert "authorization" not in posted.headers
    basic = form_sent(None)
    said = base64.b64decode(basic.headers["authorization"].removeprefix("Basic ")).decode()
    assert said == "the+page:a%26b"
    public = form_sent(None, client_secret=None)
    assert "authorization" not in public.headers


@pytest.mark.parametrize(
    "response",
    [
        httpx2.Response(500),
        httpx2.Response(302, headers={"Location": "https://evil.test"}),
        httpx2.Response(200, content=b"{"),
        httpx2.Response(200, content=b"[" * 100_000),
        httpx2.Response(200, content=b" " * (2 << 20)),
    ],
    ids=["error", "redirect", "no JSON", "deep", "long"],
)
def test_an_answer_that_is_none_is_not_believed(response: httpx2.Response) -> None:
    provider = Provider(IdentityProvider(name="corp", issuer=ISSUER, audience="us"))
    provider._client = httpx2.Client(transport=httpx2.MockTransport(lambda _: response))
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        provider.published()
    assert time.monotonic() - began < 5


def test_cookies_are_read_by_their_whole_name_and_once() -> None:
    def headers(*cookies: str) -> list[tuple[bytes, bytes]]:
        return [(b"cookie", cookie.encode("latin-1")) for cookie in cookies]

    assert session_of(headers("a=b; __Host-clearance=x; c=d")) == "x"
    assert session_of(headers("a=b", "__Host-clearance=x")) == "x"
    for wrong in (
        "",
        "__host-clearance=x",
        "__Host-clearance",
        "__Host-clearance=",
        "x__Host-clearance-page=1",
        "__Host-clearance=x; __Host-clearance=y",
        "__Host-clearance=x; " + "a" * 9_000,
    ):
        assert session_of(headers(wrong)) is None, wrong
    assert cookie_of(headers("__Host-clearance-page=1"), "__Host-clearance") is None


def test_only_what_the_page_sends_comes_from_it() -> None:
    origin = "https://ask.test"
    good = (b"sec-fetch-site", b"same-origin")
    assert comes_from_the_page([good], origin)
    assert comes_from_the_page([good, (b"origin", b"https://ask.test")], origin)
    for wrong in (
        [],
        [(b"origin", b"https://ask.test")],
        [good, good],
        [good, (b"origin", b"https://ask.test:443")],
        [good, (b"origin", b"https://ask.test"), (b"origin", b"https://ask.test")],
        [(b"sec-fetch-site", b"same-site")],
    ):
        assert not comes_from_the_page(wrong, origin)
