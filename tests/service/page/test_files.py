"""What is served as the page, and under which policy."""

import re

from starlette.testclient import TestClient

from service import page as files
from tools import page_library

LIBRARY = "markdown-it.js"  # which is not ours


def test_the_page_is_open_and_its_policy_lets_nothing_in_from_elsewhere(http: TestClient) -> None:
    reply = http.get("/")
    policy = dict(
        part.strip().split(" ", 1) for part in reply.headers["content-security-policy"].split(";")
    )
    assert reply.status_code == 200
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
        "img-src": "'self'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'", "trusted-types": "'none'",
    }  # fmt: skip
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"https?://|<style|\son\w+=|javascript:", reply.text)


def test_every_file_of_the_page_is_served_with_its_type_and_no_other_file_is(
    http: TestClient,
) -> None:
    for name in re.findall(r'(?:href|src)="page/([^"]+)"', http.get("/").text):
        assert http.get(f"/page/{name}").status_code == 200
    for name, media_type in (
        ("main.js", "text/javascript"),
        ("page.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
    ):
        assert http.get(f"/page/{name}").headers["content-type"].startswith(media_type)
    for name in ("__init__.py", "nothing.js", "..%2fauth.py", "%2e%2e/auth.py", "", "main.js/"):
        assert http.get(f"/page/{name}").status_code in (401, 404)


def test_a_browser_that_holds_the_page_gets_it_once(http: TestClient) -> None:
    for at in ("/", "/page/main.js"):
        tag = http.get(at).headers["etag"]
        again = http.get(at, headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["cache-control"]) == (
            304,
            b"",
            "no-cache",
        )
        assert http.get(at, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_scripts_never_make_markup_out_of_strings() -> None:
    unsafe = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    leading_away = r"javascript:|https?://(?!www\.w3\.org/2000/svg)"
    for name, asset in files._read_assets().items():
        if name.endswith(".js"):
            script = asset.content.decode()
            assert not re.search(unsafe, script), name
            assert name == LIBRARY or not re.search(leading_away, script), name


def test_the_markdown_library_is_as_it_was_published() -> None:
    assert page_library.find_differences(page_library.PAGE) == []
